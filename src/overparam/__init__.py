"""A lab for overparameterized networks."""
