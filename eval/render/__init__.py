"""Presents the folder of a finished report: summary, tables, plots, pages. Needs no model."""

from eval.render.folder import ReportFolder
from eval.render.summary import default, headline, table
from eval.schema import LAST

__all__ = ["LAST", "ReportFolder", "default", "headline", "table"]
