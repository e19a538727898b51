"""Computes the cost, trace and reasons of a finished pass on demand, outside timed calls."""
