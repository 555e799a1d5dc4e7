"""What is computed about a run while it trains."""
