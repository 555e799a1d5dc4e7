"""What finished runs can still tell: paths between them, ensembles of them, pruned and compressed copies."""
