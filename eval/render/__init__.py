"""Presents the folder of a finished report: summary, tables, plots, pages. Needs no model."""
