"""What to run: identities, grids, resume."""
