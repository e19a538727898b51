"""Measures: predictions, times, costs; baselines beside ours; the log that a run resumes from."""
