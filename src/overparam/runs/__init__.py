"""What a run's directory holds: identity, state, summary, metrics, provenance."""
