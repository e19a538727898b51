"""The tab Why: scores, reasons, histograms and the table of words."""

import base64
import csv
import html
import io
import json
import re

import pytest

from demo.common.differences import differences
from demo.common.serialization import csv_link
from demo.tabs.why import COLUMNS, NUMBERS, table_rows, why_view
from engine.pruning.controllers.mlp import NEIGHBOURS

TEXT = "Famotidine-associated delirium. Six patients on famotidine (20 mg/day) had nausea; all recovered."
HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `x` =1+1 @SUM <script>alert(1)</script>"


def rows_of(link):
    content = base64.b64decode(link.partition(",")[2]).decode()
    return list(csv.reader(io.StringIO(content)))


def why_view_of(engine, result):
    return why_view(engine, result, differences(result, result))


def view(engine, text, strategy="rule"):
    return why_view_of(engine, engine.tag(text, strategy))


class TestTable:
    def test_rows_are_the_words(self, engine):
        result = engine.tag(TEXT, "truncate-1")
        rows = table_rows(result, engine.explain(result))
        assert len(rows) == len(result.words)
        first = result.trace.words[0]
        assert rows[0][:3] == (1, "Famotidine", first.pieces)
        assert {row[3] == row[4] for row in rows} == {True}
        assert {row[5:] for row in rows} == {(1, "exited")}

    def test_the_download_holds_all_words_and_no_formula(self, engine):
        result = engine.tag(HOSTILE, "rule")
        rows = rows_of(csv_link(COLUMNS, table_rows(result, engine.explain(result))))
        assert rows[0] == list(COLUMNS)
        assert [row[1].lstrip("'") for row in rows[1:]] == [word.text.lstrip("'") for word in result.trace.words]
        assert not any(row[1].startswith(("=", "@", "+", "-")) for row in rows[1:])


class TestView:
    @pytest.mark.parametrize("strategy", ["rule", "entropy", "truncate-1", "entropy+recovery"])
    def test_every_word_has_its_scores(self, engine, strategy):
        page = view(engine, TEXT, strategy)
        assert page.count("data-gates=") == page.count('role="option"') == len(engine.tag(TEXT).words)

    @pytest.mark.parametrize(
        ("strategy", "set_", "said"), [("entropy", {"neighbours": 2}, 2), ("rule", {}, NEIGHBOURS)]
    )
    def test_names_as_many_neighbours_as_the_strategy_looks_at(self, engine, strategy, set_, said):
        page = why_view_of(engine, engine.tag(TEXT, strategy, **set_))
        assert f"entropy with neighbours ({said} on each side)" in page

    @pytest.mark.parametrize(
        ("strategy", "set_", "used"),
        [
            ("entropy", {}, {"entropy", "windowed_entropy", "importance", "threshold"}),
            ("entropy", {"neighbours": 0}, {"entropy", "importance", "threshold"}),
            ("rule", {"received": 0.0}, {"confidence", "importance", "threshold"}),
            ("truncate-1", {}, set()),
        ],
    )
    def test_tells_the_scores_that_the_strategy_uses_from_the_others(self, engine, strategy, set_, used):
        result = engine.tag(TEXT, strategy, **set_)
        (found,) = re.findall(r'data-scores="(.+?)"', why_view_of(engine, result))
        numbers = dict(zip(NUMBERS, json.loads(html.unescape(found))[2:-1], strict=True))
        assert {name for name, (_, is_used) in numbers.items() if is_used} == used
        reason = ", not used here"
        assert {name for name, (head, _) in numbers.items() if not head.endswith(reason)} == used

    def test_where_every_word_exits_no_importance_is_shown(self, engine):
        result = engine.tag(TEXT, "entropy", gates=(1,), max_entropy=1.0, exit_entities=True)
        found = re.findall(r'data-gates="(.+?)"', why_view_of(engine, result))
        rows = [json.loads(html.unescape(row)) for row in found]
        assert {(row[0][2 + list(NUMBERS).index("importance")], row[0][-1]) for row in rows} == {
            ("–", "exited: every word exits at this gate")
        }
