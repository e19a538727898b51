"""Your own controller needs no code in the app: the page offers, describes and explains it."""

import gradio as gr

from demo.common.settings_panel import build_settings
from demo.settings import chosen_strategy, default_values, label, page_settings
from demo.tabs.compare.texts import texts
from demo.tabs.why import why_view
from engine.pruning.controllers import CONTROLLERS
from tests.demo.conftest import components
from tests.demo.tabs.conftest import beside
from tests.engine.pruning.test_new_controller import Unsure

TEXT = "Famotidine-associated delirium."


def test_the_page_offers_it_with_its_settings_runs_and_explains_it(engine, monkeypatch):
    monkeypatch.setitem(CONTROLLERS, Unsure.kind, Unsure)
    with gr.Blocks() as page:
        build_settings(engine)
    (strategies,) = components(page, gr.CheckboxGroup)
    assert {"unsure", "unsure+recovery"} <= {value for _, value in strategies.choices}
    (setting,) = components(page, gr.Slider, label="Unsure: most")
    assert (setting.minimum, setting.maximum, setting.value) == (0, 1, 0.5)
    values = default_values(engine, None)
    values[[setting.name for setting in page_settings(engine)].index("unsure.most")] = 0.9
    strategy = chosen_strategy(engine, "unsure", None, "", *values)
    dense, result = engine.tag(TEXT, "dense"), engine.tag(TEXT, strategy)
    assert result.entities == engine.tag(TEXT, "unsure", most=0.9).entities
    one = beside(result, dense, label(engine, strategy, None))
    left = [word.state for word in result.trace.words].count("kept")
    panel = texts([one], engine.labels.types).partition("<h3>unsure (float32), most 0.9</h3>")[2]
    assert f"{left} of 5 words reach the last layer" in panel
    assert "exited: its importance is not above the threshold" in why_view(engine, one)
