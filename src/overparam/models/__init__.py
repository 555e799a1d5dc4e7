"""Pure networks and the LightningModule that trains one."""
