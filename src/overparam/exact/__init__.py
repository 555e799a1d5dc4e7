"""Models whose answer is known: linear algebra in float64, beside the theory they must meet."""
