"""What a visitor reads first: what the page does, how much faster, at what cost, and where to see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from demo.html.escape import escape
from demo.html.terms import term
from demo.results.headline import Headline, headline
from engine import Engine

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
