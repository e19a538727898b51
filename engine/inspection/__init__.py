"""Cost, trace and reasons of a finished run. Built on demand, never inside a timed call."""
