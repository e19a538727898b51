"""Corpora and file formats."""
