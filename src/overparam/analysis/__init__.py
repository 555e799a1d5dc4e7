"""What came out: tidy tables, figures, reports."""
