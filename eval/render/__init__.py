"""Presents the folder of a finished report: summary, tables, plots, pages. Needs no model.

What others use, the app above all:

- `ReportFolder`: reads a folder, and is the only reader of its files; ``rows`` and ``intervals`` have the columns of
  `eval.schema.VariantResult` and `eval.schema.Interval`.
- `headline`: the sentence on what a report's strategy gains and loses; `roles`: the `Table` under it; `default`: the
  row of the strategy that both are about.
- `as_html`: Markdown as a page.
"""

from eval.render.folder import LAST, ReportFolder
from eval.render.pages import Table, as_html
from eval.render.summary import default, headline, roles

__all__ = ["LAST", "ReportFolder", "Table", "as_html", "default", "headline", "roles"]
