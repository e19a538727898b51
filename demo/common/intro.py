"""What a visitor reads first: what the page does, how much faster, at what cost, and how to use it for one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pandas as pd

from demo.common.markup import escape, term
from demo.common.reports import REPORTS, corpus_name, opening, own_opening, own_report
from engine import Engine
from eval.render.conclusions import WITHIN, Opening
from eval.render.files import ResultRow
from eval.schema import BASELINE

TITLE = "Find entities in biomedical text faster"
NAMED = 6  # entity types that the headline names; if there are more, it gives their number
TOUR = (
    ("textarea", "Enter a text or choose an example. Ctrl+Enter runs it."),
    (".layers", "In Layer by layer, press Play: grey words have exited, and later layers do not compute them."),
    (".answer", "The answer: how much faster this was on your text, and which entities changed."),
)
OWN_MODEL = "docs/training.md"  # a phone shows this link alone
BASE = "bc5cdr-test-base"  # the report on a model of BERT-base size
COMMAND = "python -m engine.training.accelerate CHECKPOINT --texts FILE --out FOLDER"
_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


@dataclass(frozen=True)
class Headline:
    """What a report says about the strategy that it recommends.

    ``strategy``: its name in the report, e.g. ``entropy:fast (int8)``.
    ``dense``: the name of its reference in the report, e.g. ``dense (float32)``.
    ``speedup``: end-to-end, against ``dense``, one text at a time; ``same_dtype``: against dense in the same dtype.
    ``pp``, ``low``, ``high``: its F1 minus that of ``dense``, with the 95 % interval, in pp.
    """

    report: str
    strategy: str
    dense: str
    speedup: float
    same_dtype: float | None
    device: str
    corpus: str
    pp: float
    low: float
    high: float
    significant: bool

    @property
    def loss(self) -> str:
        """The change in F1, in words and pp."""
        words = "a significant difference in F1" if self.significant else "no significant loss of F1"
        doubt = "" if self.low >= -WITHIN else f"; a loss of more than {WITHIN} pp cannot be ruled out"
        return f"{words} on {self.corpus}: {self.pp:+.2f} pp [{self.low:+.2f}, {self.high:+.2f}]{doubt}"


def headline(engine: Engine, folder: Path = REPORTS) -> Headline | None:
    """The headline from the report on the engine's weights; nothing if there is none."""
    report = own_report(engine, folder)
    if report is None:
        return None
    found = own_opening(report, engine)
    row = found.recommended
    return _headline(report.name, row, found) if row else None


def _headline(report: str, row: ResultRow, found: Opening) -> Headline:
    interval, same_dtype = found.against_dense(row["label"]), row["speedup_vs_dense_same_dtype"]
    return Headline(
        report,
        row["label"],
        interval["against_label"],
        row["speedup_vs_dense"],
        None if pd.isna(same_dtype) else same_dtype,
        _DEVICES.get(row["device"].partition(":")[0], row["device"]),
        corpus_name(row["corpus"], row["split"]),
        100 * interval["difference"],
        100 * interval["low"],
        100 * interval["high"],
        interval["significant"],
    )


def headline_markup(found: Headline | None, how: str, own: str, links: dict[str, str]) -> str:
    """Title, headline and links.

    Args:
        found: the figures, if a report has them.
        how: from `how_it_works`.
        own: from `own_model`.
        links: the address of each further page, by name.
    """
    alone = ""
    if found and found.same_dtype not in (None, found.speedup):
        alone = f" ({found.same_dtype:.2f}× by pruning alone)"
    claim = (
        f"<code>{escape(found.strategy)}</code> is <strong>{found.speedup:.2f}× as fast</strong> as "
        f"{term('dense', 'the full model')}, <code>{escape(found.dense)}</code>, on a {escape(found.device)}{alone}, "
        f"with {escape(found.loss).replace('F1', term('F1'), 1)}. "
        if found
        else ""
    )
    to = " · ".join(f'<a href="{escape(address)}">{name}</a>' for name, address in links.items())
    return (
        f'<header class="intro"><h1>{TITLE}</h1><p>{claim}<span class="how">{how}</span></p>{own}'
        f'<p class="links">{to} · <span class="narrow"><a href="{OWN_MODEL}">Your own model</a> · </span>'
        f'<button type="button" class="tour-start">Tour</button></p></header>'
    )


def how_it_works(engine: Engine) -> str:
    """What happens to words, what the model finds, and what it computes in."""
    why = escape(f" ({engine.precision.why})") if engine.precision.why else ""
    what = f"This model finds {escape(_listed(engine.labels.types))} and computes in {escape(engine.dtype)}{why}."
    finds = f'<span class="finds">{what}</span>'
    if not engine.model.has_gates:
        return f"This model has no gates: every word goes through every layer. {finds}"
    thresholds = getattr(engine.strategy("entropy").controller, "thresholds", ())
    ends = isinstance(thresholds, tuple) and thresholds[-1] == 1
    last = ", and at the last gate all that are left do" if ends else ""
    return (
        f"At each {term('gate')}, words whose label looks certain {term('early exit', 'exit')}{last}; "
        f"later layers compute only the others. {finds}"
    )


def own_model(engine: Engine, folder: Path = REPORTS) -> str:
    """How to make one's own checkpoint fast, what that takes, and what to expect of it, OpenVINO alone beside it."""
    source = escape(engine.source) if not engine.model.has_gates else "CHECKPOINT"
    expect = _expectation(folder / BASE)
    return (
        f'<p class="own"><b>Your own model:</b> <code>{COMMAND.replace("CHECKPOINT", source)}</code> learns from plain '
        f'texts, without gold (<a href="{OWN_MODEL}">how many, how long</a>). {expect}</p>'
    )


def _expectation(report: Path) -> str:
    if not report.is_dir():
        return ""
    found = opening(report)
    rows = [row for row in found.rows if row["batch_size"] == found.sizes[0]]
    pruning = [row for row in rows if row["prunes"]]
    baselines = [row for row in rows if row["kind"] == BASELINE and row["strategy"] == "openvino-int8"]
    if not pruning or not baselines:
        return ""
    ours, theirs = max(pruning, key=lambda row: row["speedup_vs_dense"]), baselines[0]
    each = [
        f"<code>{escape(row['label'])}</code> {row['speedup_vs_dense']:.2f}× at "
        f"{100 * found.against_dense(row['label'])['difference']:+.2f} pp of F1"
        for row in (ours, theirs)
    ]
    return f"At BERT-base size: {each[0]}; OpenVINO alone, with nothing removed: {each[1]}."


def _listed(types: Sequence[str]) -> str:
    if len(types) > NAMED:
        return f"{len(types)} types of entities"
    return " and ".join([", ".join(types[:-1]), types[-1]] if len(types) > 1 else types)


def tour_markup() -> str:
    """The tour's steps; the script of `build_intro` shows them one at a time."""
    steps = "".join(
        f'<p class="step" data-target="{escape(target)}" hidden><b>{number}/{len(TOUR)}</b> {escape(text)}</p>'
        for number, (target, text) in enumerate(TOUR, start=1)
    )
    return (
        f'<section class="tour" aria-label="Tour" aria-live="polite" hidden>{steps}'
        '<button type="button" class="next">Next</button> <button type="button" class="end">Close</button></section>'
    )


def build_intro(engine: Engine, links: dict[str, str]) -> None:
    """Builds the head of the page, with a headline if a report measured the engine's weights."""
    found = headline(engine)
    report = {"Report": f"docs/{found.report}/report.html"} if found else {}
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    head = headline_markup(found, how_it_works(engine), own_model(engine), report | links)
    gr.HTML(head + tour_markup(), js_on_load=script)
