"""Measures F1 against latency with the engine that users run."""
