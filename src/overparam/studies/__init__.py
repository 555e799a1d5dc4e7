"""Studies of finished runs: paths between them, ensembles, pruned and compressed copies."""
