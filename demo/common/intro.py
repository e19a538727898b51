"""The head of the page: what it does, how much faster, at what cost, and how to make one's own model fast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.markup import escape, term
from demo.common.reports import REPORTS, Recommendation, find_reports, recommendation
from engine import Engine
from eval.render.conclusions import WITHIN, in_pp
from eval.render.text import join
from eval.schema import BASELINE

TITLE = "Find entities in biomedical text faster"
NAMED_TYPES = 6  # if there are more, their number is given
OWN_MODEL = "docs/training.md"  # a phone shows this link alone
BASE = "bc5cdr-test-base-gold"  # the report on a model of BERT-base size, which learned from gold, too
COMMAND = "python -m engine.training.accelerate CHECKPOINT --texts FILE --out FOLDER"
_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


def claim(recommended: Recommendation) -> str:
    """How much faster the recommended strategy is, and at what cost, as its report measured them."""
    row, against = recommended.row, recommended.against_dense
    speedup, same_dtype = row["speedup_vs_dense"], row["speedup_vs_dense_same_dtype"]
    parts = ""
    if same_dtype is not None and against["dtype"] != against["against_dtype"]:
        factor = speedup / same_dtype
        parts = escape(f" ({factor:.2f}× from {against['dtype']}, times {same_dtype:.2f}× from pruning)")
    device = _DEVICES.get(row["device"], row["device"])
    full = recommended.against_full_model
    beaten = ""  # a phone has no room for it
    if full:
        than = f" and {full['speedup']:.2f}× as fast as <code>{escape(full['against_label'])}</code>"
        beaten = f'<span class="beaten">{than}</span>'
    return (
        f"<code>{escape(row['label'])}</code> is <strong>{speedup:.2f}× as fast</strong> as "
        f"{term('dense', 'the full model')}, <code>{escape(against['against_label'])}</code>, on a {escape(device)}"
        f"{parts}{beaten}, with {escape(loss(recommended)).replace('F1', term('F1'), 1)}. "
    )


def loss(recommended: Recommendation) -> str:
    """The change in F1 with its 95 % interval, in pp."""
    against = recommended.against_dense
    words = "a significant difference in F1" if against["significant"] else "no significant loss of F1"
    doubt = "" if 100 * against["low"] >= -WITHIN else f"; a loss of more than {WITHIN} pp cannot be ruled out"
    return f"{words} on {recommended.report.corpus}: {in_pp(against)}{doubt}"


def how_it_works(engine: Engine, strategy: str = "entropy") -> str:
    """What happens to words under a strategy, what the model finds, and the dtype that it computes in."""
    why = escape(f" ({engine.why})") if engine.why else ""
    types = engine.labels.types
    named = join(types) if len(types) <= NAMED_TYPES else f"{len(types)} types of entities"
    what = f"This model finds {escape(named)} and computes in {escape(engine.dtype)}{why}."
    finds = f'<span class="finds">{what}</span>'
    if not engine.has_gates:
        return f"This model has no gates: every word goes through every layer. {finds}"
    thresholds = getattr(engine.strategy(strategy).controller, "thresholds", ())
    ends = isinstance(thresholds, tuple) and thresholds[-1] == 1
    last = " At the last gate, all remaining words exit." if ends else ""
    return (
        f"At each {term('gate')}, words whose label looks certain {term('early exit', 'exit')}; later layers compute "
        f"only the rest.{last} {finds}"
    )


def own_model(engine: Engine, folder: Path = REPORTS) -> str:
    """How to make one's own checkpoint fast, what that takes, and what to expect, with OpenVINO alone beside it."""
    source = escape(engine.source) if not engine.has_gates else "CHECKPOINT"
    return (
        f'<p class="own"><b>Your own model:</b> <code>{COMMAND.replace("CHECKPOINT", source)}</code> takes 400 plain '
        f'texts and about <a href="{OWN_MODEL}">an hour</a>. {_expectation(folder)}</p>'
    )


def _expectation(folder: Path) -> str:
    """The fastest strategy of comparable F1 and OpenVINO alone at BERT-base size; empty without such a report."""
    report = find_reports(folder).get(BASE)
    if report is None:
        return ""
    opening = report.opening()
    rows = [row for row in opening.rows if row["batch_size"] == opening.sizes[0]]
    baseline = next(row for row in rows if row["kind"] == BASELINE and row["strategy"] == "openvino-int8")
    pruned = [row for row in rows if row["prunes"]]
    fastest = max(list(filter(opening.is_comparable, pruned)) or pruned, key=lambda row: row["speedup_vs_dense"])

    def result(row: Mapping[str, Any]) -> str:
        change = opening.against_dense(row["label"])
        loss = "significant" if change["significant"] else "not significant"
        return f"{row['speedup_vs_dense']:.2f}×, F1 {100 * change['difference']:+.2f} pp ({loss})"

    return (
        f"An MPNet of BERT-base size, trained longer and with gold: <code>{escape(fastest['label'])}</code> "
        f"{result(fastest)}; OpenVINO int8 alone {result(baseline)}."
    )


def _tour(*, has_gates: bool) -> str:
    """The tour's steps, which ``intro.js`` shows one at a time."""
    layers, answer = "every layer computes every word.", "the entities, and how long they took on your text."
    if has_gates:
        layers = "grey words have exited, and later layers do not compute them."
        answer = "how much faster this was on your text, and which entities changed."
    steps = (
        ("textarea", "Enter a text or choose an example. Ctrl+Enter runs it."),
        (".layers", f"In Layer by layer, press Play: {layers}"),
        (".answer", f"The answer: {answer}"),
    )
    shown = "".join(
        f'<p class="step" data-target="{target}" hidden><b>{number}/{len(steps)}</b> {text}</p>'
        for number, (target, text) in enumerate(steps, start=1)
    )
    return (
        f'<section class="tour" aria-label="Tour" aria-live="polite" hidden>{shown}'
        '<button type="button" class="next">Next</button> <button type="button" class="end">Close</button></section>'
    )


def intro(engine: Engine, links: dict[str, str], folder: Path = REPORTS) -> str:
    """The HTML of the page's header, with a claim if a report in the folder measured the engine's weights.

    ``links``: the address of each document to link, by title.
    """
    recommended = recommendation(engine, folder)
    report = {"Report": f"docs/{recommended.report.folder.name}/report.html"} if recommended else {}
    to = " · ".join(f'<a href="{escape(address)}">{title}</a>' for title, address in (report | links).items())
    said = claim(recommended) if recommended else ""
    how = how_it_works(engine, recommended.row["strategy"]) if recommended else how_it_works(engine)
    return (
        f'<header class="intro"><h1>{TITLE}</h1><p>{said}<span class="how">{how}</span></p>'
        f'{own_model(engine, folder)}<p class="links">{to} · <span class="narrow"><a href="{OWN_MODEL}">Your own '
        f'model</a> · </span><button type="button" class="tour-start">Tour</button></p></header>'
        f"{_tour(has_gates=engine.has_gates)}"
    )


def build_intro(engine: Engine, links: dict[str, str]) -> None:
    """Builds the head of the page."""
    gr.HTML(intro(engine, links), js_on_load=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"))
