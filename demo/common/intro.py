"""The head of the page: what it does and how much faster, in two lines; and, below the demo, one's own model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from demo.common.markup import escape, term
from demo.common.reports import REPORTS, Report, find_reports, own_report
from engine import Engine
from engine.models.folder import SHIPPED
from eval.render.conclusions import OPENVINO, PIPELINE, RUNTIMES
from eval.render.files import BASE, CASCADE, ResultRow
from eval.render.text import in_pp, join, speedup, verdict
from eval.schema import DENSE

TITLE = "Find entities in biomedical text faster"
NAMED_TYPES = 6  # if there are more, their number is given
GUIDE = "docs/training.md"
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def claim(engine: Engine, report: Report | None) -> str:
    """What happens to words and, if the report on these weights measured this dtype, how much faster this is."""
    layers = engine.sizes.layers
    number = _NUMBERS[layers] if layers < len(_NUMBERS) else str(layers)
    if engine.small:
        what = "A small model reads every text, and this large one only the windows that the small one doubts"
    elif not engine.has_gates:
        return f"This model has no gates: every word goes through all {number} layers."
    else:
        what = f"Most words do not need all {number} layers. Here each exits when its label is certain"
    said = report.opening.headline() if _measured(engine, report) and report else ""
    marked = escape(said).replace("F1", term("F1")).replace(" pp", f" {term('pp')}")
    faster = re.sub(r"^(\S+ as fast)", r": <strong>\1</strong>", marked)
    return f"{what}{faster}."


def _measured(engine: Engine, report: Report | None) -> ResultRow | None:
    """The default strategy in the report on these weights; None unless it computes in the engine's dtype there."""
    row = report.opening.default if report else None
    return row if row and row["dtype"] == engine.dtype else None


def how_measured(engine: Engine, report: Report | None) -> str:
    """What the claim compares, on what, and how sure it is; what the model finds and computes in."""
    types = engine.labels.types
    named = join(types) if len(types) <= NAMED_TYPES else f"{len(types)} types of entities"
    why = f" ({engine.why})" if engine.why else ""
    model = f"<p>This model finds {escape(named)} and computes in {escape(engine.dtype)}{escape(why)}.</p>"
    row = _measured(engine, report)
    if not row or not report:
        return model
    others = {
        PIPELINE: "the Hugging Face pipeline with the same weights",
        **{name: f"{title} in 8 bits, which removes nothing" for name, title in RUNTIMES.items()},
        DENSE: "its own full pass",
    }
    lines = []
    for one in report.opening.intervals:
        if (one["label"], one["batch_size"]) == (row["label"], row["batch_size"]) and one["against"] in others:
            name = f"{others[one['against']]} ({one['against_dtype']})"
            lines.append(f"<li>{escape(f'{speedup(one)} as fast as {name}; F1 {in_pp(one)}, {verdict(one)}')}</li>")
    return (
        f"<p><code>{escape(row['label'])}</code> on {row['documents']} documents of {_explained(report.corpus)}, one "
        f"at a time, {escape(report.about['machine'])}. {term('F1')} is {row['f1']:.4f}; brackets "
        f"are 95 % intervals.</p><ul>{''.join(lines)}</ul>{model}"
    )


def _explained(corpus: str) -> str:
    return term(corpus) if corpus == "BC5CDR" else escape(corpus)


def intro(engine: Engine, links: Mapping[str, str], folder: Path = REPORTS) -> str:
    """The HTML of the page's head, with figures if a report in the folder measured the engine's weights.

    ``links``: the address of each document to link, by title.
    """
    report = own_report(engine, folder)
    own = {"Report": f"docs/{report.name}/report.html"} if report else {}
    to = " · ".join(f'<a href="{escape(address)}">{title}</a>' for title, address in (own | dict(links)).items())
    return (
        f'<header class="intro"><h1>{TITLE}</h1><p class="claim">{claim(engine, report)}</p>'
        f'<details class="measured"><summary>How was this measured?</summary>{how_measured(engine, report)}'
        f'<p class="links">{to}</p></details></header>'
    )


def own_model(engine: Engine, folder: Path = REPORTS) -> str:
    """A card: how to make one's own checkpoint fast, what that takes, and what to expect."""
    if engine.has_gates or engine.small:
        report, which, texts, duration = CASCADE, "larger checkpoint for the same types", 100, "some minutes"
        command = (
            f"python -m engine.training.cascade CHECKPOINT --small weights/{SHIPPED.name} --texts FILE --out FOLDER"
        )
    else:  # its labels may be others than the shipped model's, which a cascade needs
        report, which, texts, duration = BASE, "checkpoint of your own", 400, "about an hour"
        command = f"python -m engine.training.accelerate {escape(engine.source)} --texts FILE --dtype int8 --out FOLDER"
    copied = f'<code>{command}</code> <button type="button" class="copy">Copy</button>'
    return (
        f'<section class="own-model" aria-label="Your own model"><h2>Your own model</h2><p>Make a {which} fast with '
        f'{texts} plain texts and <a href="{GUIDE}">{duration}</a>:</p><p class="command">{copied}</p>'
        f"{_expectation(find_reports(folder).get(report))}</section>"
    )


def _expectation(report: Report | None) -> str:
    """What the default gains at BERT-base size, with OpenVINO alone beside it; empty without such a report."""
    row = report.opening.default if report else None
    if not report or not row:
        return ""
    said = []
    for one in report.opening.rows:
        shown = one["label"] == row["label"] or one["strategy"] == OPENVINO
        if shown and one["batch_size"] == row["batch_size"]:
            found = report.opening.against_dense(one["label"])
            name = f"<code>{escape(one['label'])}</code>"
            said.append(f"{name} is {found['speedup']:.2f}× as fast, F1 {escape(in_pp(found))}, {verdict(found)}")
    return (
        f"<p>What to expect: of a model of BERT-base size made so, compared with its own float32 on "
        f"{_explained(report.corpus)}, {'; '.join(said)}.</p>"
    )


def build_own_model(engine: Engine) -> None:
    """Builds the card of one's own model."""
    gr.HTML(own_model(engine), js_on_load=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"))
