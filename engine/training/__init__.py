"""Training: fine-tuning with gate heads, and choosing operating points."""
