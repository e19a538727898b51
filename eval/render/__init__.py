"""Presents the files of a finished run: conclusions, tables, plots, HTML. Needs no model."""
