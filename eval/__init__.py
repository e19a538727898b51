"""Measuring F1 against latency with the engine that people use."""
