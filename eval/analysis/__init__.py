"""Explains measurements: errors, exits, cases and groups of mentions."""
