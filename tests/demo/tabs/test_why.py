"""The tab Why: scores and reasons."""

import html
import json
import re

import pytest

from demo.tabs.why import NUMBERS, why_view
from tests.demo.tabs.conftest import TEXT, beside


def view(engine, strategy, **settings):
    result = engine.tag(TEXT, strategy, **settings)
    return why_view(engine, beside(result, result))


def of_words(page):
    """What the page knows of each word: for each gate that it reached, the lines of its detail."""
    return json.loads(html.unescape(re.search(r'data-words="(.+?)"', page)[1]))


class TestView:
    @pytest.mark.parametrize("strategy", ["rule", "entropy", "truncate-1", "entropy+recovery"])
    def test_every_word_has_its_scores(self, engine, strategy):
        page = view(engine, strategy)
        assert len(of_words(page)) == page.count('role="option"') == len(engine.tag(TEXT).words)

    def test_names_as_many_neighbours_as_the_strategy_looks_at_and_no_importance_where_every_word_exits(self, engine):
        assert "entropy with neighbours (2 on each side)" in view(engine, "entropy", neighbours=2)
        page = view(engine, "entropy", gates=(1,), max_entropy=1.0, exit_entities=True)
        assert {(row[0][2 + list(NUMBERS).index("importance")], row[0][-1]) for row in of_words(page)} == {
            ("–", "exited: every word exits at this gate")
        }

    @pytest.mark.parametrize(
        ("strategy", "set_", "used"),
        [
            ("entropy", {}, {"entropy", "windowed_entropy", "importance", "threshold"}),
            ("entropy", {"neighbours": 0}, {"entropy", "importance", "threshold"}),
            ("rule", {}, {"confidence", "importance", "threshold"}),
            ("truncate-1", {}, set()),
        ],
    )
    def test_tells_the_scores_that_the_strategy_uses_from_the_others(self, engine, strategy, set_, used):
        (found,) = re.findall(r'data-scores="(.+?)"', view(engine, strategy, **set_))
        numbers = dict(zip(NUMBERS, json.loads(html.unescape(found))[2:-1], strict=True))
        assert {name for name, (_, is_used) in numbers.items() if is_used} == used
