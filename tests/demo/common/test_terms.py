"""Technical terms are explained where the page uses them."""

from __future__ import annotations

from demo.common.compared import Compared
from demo.common.inputs import HELP
from demo.common.intro import Headline, headline_markup
from demo.common.markup import TERMS, term
from demo.common.timing import Measured
from demo.tabs.compare.cards import card
from engine import Engine


def test_every_term_is_explained_somewhere(engine: Engine) -> None:
    dense = Measured(engine.tag("Famotidine.", "dense"), (1.0,))
    headline = Headline("r", "entropy", "dense", 2.0, 2.0, "CPU", "BC5CDR", 0.1, -0.1, 0.2, False)
    page = HELP + headline_markup(headline, engine.labels.types, {}) + card(Compared("m", "", dense, dense))
    assert [name for name, explanation in TERMS.items() if explanation not in page] == []


def test_a_term_is_a_button_so_that_keyboard_and_touch_reach_it() -> None:
    assert term("gate", "Gates").startswith('<button type="button" class="term">Gates<span class="tip" role="tooltip">')
