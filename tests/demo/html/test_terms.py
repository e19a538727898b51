"""Technical terms are explained where the page uses them."""

from __future__ import annotations

from demo.html.cards import card
from demo.html.terms import TERMS, term
from demo.page.inputs import HELP
from demo.page.intro import headline_markup
from demo.results.compared import Compared
from demo.results.headline import Headline
from demo.results.timing import Measured
from engine import Engine


def test_every_term_is_explained_somewhere(engine: Engine) -> None:
    dense = Measured(engine.tag("Famotidine.", "dense"), (1.0,))
    headline = Headline("r", "entropy", "dense", 2.0, 2.0, "CPU", "BC5CDR", 0.1, -0.1, 0.2, False)
    page = HELP + headline_markup(headline, engine.labels.types, {}) + card(Compared("m", "", dense, dense))
    assert [name for name, explanation in TERMS.items() if explanation not in page] == []


def test_a_term_is_a_button_so_that_keyboard_and_touch_reach_it() -> None:
    assert term("gate", "Gates").startswith('<button type="button" class="term">Gates<span class="tip" role="tooltip">')
