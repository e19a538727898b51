"""Links reopen the page and contain nothing that anybody entered; examples show what they say."""

from urllib.parse import parse_qsl

import pytest

from demo.common.links import EXAMPLES, FAILURES, make_link, read_link
from tests.demo.conftest import page_values

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} delirium"


def test_a_link_reopens_the_settings_and_the_example_and_never_holds_a_users_text(engine):
    name, text = next(iter(EXAMPLES.items()))
    values = page_values(
        engine, rule_lambda_=1.5, rule_min_keep_ratio=0.25, entropy_max_entropy=2.0, entropy_min_keep_ratio=0.5
    )
    link = make_link(engine, text, "dense", ["dense", "entropy+recovery"], None, "entity_loss", *values)
    query = dict(parse_qsl(link.removeprefix("?")))
    assert query["example"] == name
    found, shown, strategies, _, *settings = read_link(engine, query)
    assert shown["value"] == "dense"
    assert (found, strategies) == (text, ["dense", "entropy+recovery"])
    assert settings[:5] == ["entity_loss", *values[:4]]
    assert "delirium" not in make_link(engine, HOSTILE, "dense", ["dense"], None, "", *values)


@pytest.mark.parametrize("value", [HOSTILE, "nan", "inf", "1e9", "-1e9", "", "__class__"])
def test_what_does_not_fit_is_ignored(engine, value):
    hostile = dict.fromkeys(
        ["example", "strategies", "shown", "point", "trigger", "rule.lambda_", "rule.min_keep_ratio"], value
    )
    assert all(isinstance(update, dict) for update in read_link(engine, hostile))  # gr.skip()


@pytest.mark.parametrize(("title", "text"), [(title, text) for title, text, _ in FAILURES])
def test_where_it_goes_wrong_the_shipped_default_errs_and_the_full_pass_does_not(shipped, title, text):
    full, own = (
        [(entity.text, entity.type) for entity in shipped.tag(text, name).entities]
        for name in ("dense", "entropy:balanced")
    )
    assert full != own
