"""Where results are written: local files, W&B, provenance."""
