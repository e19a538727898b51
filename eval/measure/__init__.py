"""Measures predictions, times and costs, baselines included; logs runs for resuming."""
