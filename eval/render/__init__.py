"""Presents the folder of a finished report: summary, tables, plots, pages. Needs no model.

Others, the app above all, use what is named here, `eval.render.text` and `eval.render.pages.as_html`.
"""

from eval.render.folder import LAST, ReportFolder
from eval.render.summary import default, headline, roles

__all__ = ["LAST", "ReportFolder", "default", "headline", "roles"]
