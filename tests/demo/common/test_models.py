"""Several models: each has a page with the same tabs; names tell them apart."""

from copy import copy

import gradio as gr
import pytest

from demo.app import build_demo
from demo.common.links import by_name, model_name, path_of
from demo.settings import default_values
from engine import InputError
from tests.demo.conftest import components, listeners


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
