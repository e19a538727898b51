"""Model folders and model families."""
