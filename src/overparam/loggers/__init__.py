"""Where a run's numbers go: local files and W&B, as plain Lightning loggers."""
