"""Measures F1 against latency with the engine that users run."""

import engine  # noqa: F401  # silences Ctrl-C while commands import their libraries
