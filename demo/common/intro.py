"""What a visitor reads first: what the page does, how much faster, at what cost, and where to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pandas as pd

from demo.common.markup import escape, term
from demo.common.reports import REPORTS, opening, other_weights, report_names
from engine import Engine
from engine.data import corpora
from eval.render.conclusions import WITHIN, Opening
from eval.render.files import ResultRow

_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


@dataclass(frozen=True)
class Headline:
    """What the report says about the fastest strategy whose F1 is certainly close to that of ``dense``.

    If there is none, it is the fastest of those measured to be close.

    ``strategy``: its name in the report, e.g. ``entropy:fast``.
    ``dense``: the name of its reference in the report, e.g. ``dense (float32)``.
    ``speedup``: end-to-end, against ``dense``, one text at a time; ``same_dtype``: against dense in the same dtype.
    ``points``, ``low``, ``high``: its F1 minus that of ``dense``, with the 95 % interval, in points.
    """

    report: str
    strategy: str
    dense: str
    speedup: float
    same_dtype: float | None
    device: str
    corpus: str
    points: float
    low: float
    high: float
    significant: bool

    @property
    def loss(self) -> str:
        """The change in F1, in words and points."""
        words = "a significant difference in F1" if self.significant else "no significant loss of F1"
        doubt = "" if self.low >= -WITHIN else f"; a loss of more than {WITHIN} points cannot be ruled out"
        return f"{words} on {self.corpus}: {self.points:+.2f} points [{self.low:+.2f}, {self.high:+.2f}]{doubt}"


def headline(engine: Engine, folder: Path = REPORTS) -> Headline | None:
    """The headline from the first report, by name, on these weights in this dtype; nothing if there is none."""
    for name in report_names(folder):
        if other_weights(folder / name, engine.digest) is None:
            found = opening(folder / name, engine.dtype)
            if near := found.near:
                sure = (row for row in near if 100 * found.against_dense(row["label"])["low"] >= -WITHIN)
                return _headline(name, next(sure, near[0]), found)
    return None


def _corpus(name: str, split: str) -> str:
    """A corpus as readers know it: its name, or its file's name, and its split unless that is ``test``."""
    shown = name.upper() if name in corpora.NAMED else Path(name).name
    return shown if split == "test" else f"{shown} {split}"


def _headline(report: str, row: ResultRow, found: Opening) -> Headline:
    interval, same_dtype = found.against_dense(row["label"]), row["speedup_vs_dense_same_dtype"]
    return Headline(
        report,
        row["label"],
        interval["against_label"],
        row["speedup_vs_dense"],
        None if pd.isna(same_dtype) else same_dtype,
        _DEVICES.get(row["device"].partition(":")[0], row["device"]),
        _corpus(row["corpus"], row["split"]),
        100 * interval["difference"],
        100 * interval["low"],
        100 * interval["high"],
        interval["significant"],
    )


TITLE = "Find entities in biomedical text faster"
NAMED = 6  # entity types that the headline names; if there are more, it gives their number
TOUR = (
    ("textarea", "Enter a text or choose an example. Ctrl+Enter runs it."),
    (".layers", "In Layer by layer, press Play: grey words have left, and later layers do not compute them."),
    (".answer", "The answer: how much faster this was on your text, and which entities changed."),
)


def headline_markup(found: Headline | None, types: Sequence[str], links: dict[str, str]) -> str:
    """Title, headline and links.

    Args:
        found: the figures, if a report has them.
        types: the entity types that the model finds.
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
        f'<header class="intro"><h1>{TITLE}</h1><p>{claim}<span class="how">Words leave the model '
        f"{term('early exit', 'early')} once their label is certain; later layers compute only the others. This model "
        f"finds {escape(_listed(types))}.</span></p>"
        f'<p class="links">{to} · <button type="button" class="tour-start">Tour</button></p></header>'
    )


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
    gr.HTML(headline_markup(found, engine.labels.types, report | links) + tour_markup(), js_on_load=script)
