"""Measures what variants find, how long they take and what they cost; baselines included."""
