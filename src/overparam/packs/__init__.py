"""Many small runs trained as one, along a member axis, each with the results it would have had alone."""
