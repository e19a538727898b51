"""What reports measured: the page's headline, a table of six rows, one plot, and the reports as static files."""

import math
import re
import tempfile
from pathlib import Path
from urllib.parse import quote

import gradio as gr

from engine import Engine
from engine.pruning.strategy_names import DENSE
from eval.render.folder import ReportFolder
from eval.render.pages import as_html
from eval.render.summary import default, fastest, figures, full_passes
from eval.schema import BUSY, LAST

_PACKAGE = Path(__file__).resolve().parent
# A wheel holds README and docs inside the package, a checkout beside it.
ROOT = _PACKAGE / "project" if (_PACKAGE / "project").is_dir() else _PACKAGE.parent
REPORTS = ROOT / "docs"
FIRST = {"bc5cdr-test", "biored-test-six", "bc5cdr-test-base"}  # where there are several reports on the same weights
PLOTS = {"f1_vs_latency.png": "F1 against speed", "confusion.png": "What the mentions of each type are found as"}
WHY = "Most words don't need the whole network."
EXITS = f"{WHY} Here a word leaves once its label is certain."
TWO_MODELS = "A small model reads every text, and the large one only what the small one doubts."
ENOUGH = 0.5  # points of F1


def find_report(engine: Engine) -> ReportFolder | None:
    """The first finished report on the engine's weights; None if there is none."""
    folders = [file.parent for file in REPORTS.glob(f"*/{LAST}")]
    reports = map(ReportFolder, sorted(folders, key=lambda folder: (folder.name not in FIRST, folder.name)))
    return next((report for report in reports if engine.digest[:16] in report.about["weights"]), None)


def headline(engine: Engine, report: ReportFolder | None) -> str:
    """What the page says first: what happens and, if it was measured in this dtype, what that gains and costs."""
    if engine.runnable == [DENSE]:
        return f"This model has no gates: every word goes through all {engine.sizes.layers} layers."
    lead = TWO_MODELS if len(engine.stages) > 1 else EXITS
    row = default(report) if report else None
    if report is None or row is None or row["dtype"] != engine.dtype or report.about.get(BUSY):
        return lead
    over = report.speeds([row] * len(report.sizes), fastest(report, full_passes(report)))
    speeds = sorted({f"{pair['speedup']:.1f}" for pair in over}, key=float)
    lost = max(report.against_dense(row["variant"])[f"{place}loss_bound"] for place in report.places) * 100
    if float(speeds[0]) <= 1 or math.isnan(lost):
        return lead
    times = " to ".join(dict.fromkeys((speeds[0], speeds[-1])))
    most = "half a point" if lost <= ENOUGH else f"{lost:.1f} points"
    than = "the fastest runtime that computes every word"
    return f"{lead} That's {times} times as fast as {than}, for at most {most} of F1."


def evidence(report: ReportFolder | None) -> str:
    """A report's table and plots in Markdown."""
    if report is None:
        return "No report measured these weights. `bioner report` makes one."
    about = f"{report.dense['documents']} documents of {report.dense['corpus']}, {report.about['machine']}."
    plots = [(shown, report.folder / name) for name, shown in PLOTS.items() if (report.folder / name).is_file()]
    pictures = [f"![{shown}]({address_of(file)})" for shown, file in plots]
    return "\n\n".join([figures(report).markdown, about, *pictures])


def address_of(file: Path) -> str:
    """The address of a static file, relative to the app's own."""
    return f"gradio_api/file={quote(str(file))}"


def publish(engine: Engine, report: ReportFolder | None) -> dict[str, str]:
    """Writes report, card and README as HTML, serves them as static files, and returns their addresses by title.

    Nothing in them runs: raw HTML is shown as text.
    """
    folder = Path(tempfile.mkdtemp(prefix="bioner-pages-"))
    card = Path(engine.source, "README.md")
    pages = {"Report": report.folder / "report.md"} if report else {}
    pages |= {
        title: file for title, file in {"Model card": card, "README": ROOT / "README.md"}.items() if file.is_file()
    }
    links = {}
    for title, file in pages.items():
        text = file.read_text(encoding="utf-8", errors="replace")
        text = text.partition("\n---\n")[2] if text.startswith("---\n") else text
        page = folder / f"{title.lower().replace(' ', '-')}.html"
        page.write_text(_only_here(as_html(text), file.parent), encoding="utf-8", errors="replace")
        links[title] = address_of(page)
    gr.set_static_paths([folder, *(path for path in (report.folder.glob("*.png") if report else ()))])
    return links


def _only_here(page: str, folder: Path) -> str:
    """The page with pictures served from its folder; other relative links are removed, since nothing serves them."""
    page = re.sub(r'<img [^>]*src="[^":]*/[^"]*"[^>]*>', "", page)
    page = re.sub(r'<a href="(?!https?:|#)[^"]*">(.*?)</a>', r"\1", page, flags=re.DOTALL)
    return re.sub(
        r'src="([^":/]+\.png)"', lambda match: f'src="/gradio_api/file={quote(str(folder))}/{match[1]}"', page
    )
