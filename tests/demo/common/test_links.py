"""Links reopen the page and contain nothing that anybody entered; each of several models has a page and a name."""

from copy import copy
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from demo.app import build_demo
from demo.common.links import EXAMPLES, by_name, make_link, model_name, path_of, read_link
from demo.settings import default_values
from engine import InputError
from tests.demo.conftest import components, listeners

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} delirium"


def test_a_link_reopens_the_settings_and_the_example(engine):
    name, text = next(iter(EXAMPLES.items()))
    link = make_link(engine, text, ["dense", "entropy+recovery"], None, "entity_loss", 1.5, 0.25, 2.0, 0.5)
    query = dict(parse_qsl(link.removeprefix("?")))
    assert query["example"] == name
    found, strategies, _, *settings = read_link(engine, query)
    assert (found, strategies) == (text, ["dense", "entropy+recovery"])
    assert settings == ["entity_loss", 1.5, 0.25, 2.0, 0.5]


def test_a_users_text_is_not_in_the_link(engine):
    assert "delirium" not in make_link(engine, HOSTILE, ["dense"], None, "", 0.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize("value", [HOSTILE, "nan", "inf", "1e9", "-1e9", "", "__class__"])
def test_what_does_not_fit_is_ignored(engine, value):
    hostile = dict.fromkeys(["example", "strategies", "point", "trigger", "rule.lambda_", "rule.min_keep_ratio"], value)
    assert all(isinstance(update, dict) for update in read_link(engine, hostile))  # gr.skip()


@pytest.fixture(scope="module")
def two(engine, plain_engine):
    return build_demo(engine, plain_engine)


def of(engine, source):
    """The engine as if loaded from there."""
    other = copy(engine)
    other.source = str(source)
    return other


def test_each_model_has_a_page_and_a_choice_of_all(two, engine, plain_engine):
    names = [model_name(engine), model_name(plain_engine)]
    choices = components(two, gr.Dropdown, label="Model")
    assert [choice.value for choice in choices] == names
    for choice in choices:
        assert [value for _, value in choice.choices] == names
        assert choice.visible
    pages = {comparing.page for comparing in listeners(two, "on_compare")}
    assert pages == {"", path_of(names[1], by_name([engine, plain_engine]))}


def test_another_models_page_opens_with_the_settings_of_this_one(two, engine, plain_engine):
    other = model_name(plain_engine)
    choose = listeners(two, "on_choice")[0].fn
    values = default_values(engine, None)
    path = path_of(other, by_name([engine, plain_engine]))
    assert choose(other, ["dense", "rule"], None, "", *values) == [path, "?strategies=dense%2Crule"]
    _, query = choose(other, ["rule"], None, "any", 1.25, *values[1:])
    assert query == "?strategies=rule&trigger=any&rule.lambda_=1.25"


def test_one_model_needs_no_choice(demo):
    for label in ("Model", "Compare with a second model"):
        (hidden,) = components(demo, gr.Dropdown, label=label)
        assert not hidden.visible


def test_a_folder_is_named_however_it_is_given(engine, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert model_name(of(engine, ".")) == "mine, float32"
    assert model_name(of(engine, "user/of-the-hub")) == "of-the-hub, float32"


def test_an_address_holds_what_addresses_may(engine):
    models = by_name([engine, of(engine, "médicaments & 薬")])
    assert path_of("médicaments & 薬, float32", models) == "m-dicaments-float32"
    build_demo(*models.values())


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (("a", "a"), "different names or dtypes"),
        (("a+b", "a b"), r"got 'a\+b, float32' and 'a b, float32', both with the address a-b-float32"),
    ],
)
def test_models_that_cannot_be_told_apart_are_refused(engine, sources, message):
    with pytest.raises(InputError, match=message):
        build_demo(*(of(engine, source) for source in sources))
