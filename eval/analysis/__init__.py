"""Explains measurements: statistics, errors, exits, groups of mentions."""
