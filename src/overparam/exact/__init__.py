"""Models with a known answer: linear algebra in float64, compared with theory."""
