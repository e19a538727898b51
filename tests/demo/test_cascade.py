"""The page of a cascade: what it offers, says and counts."""

from dataclasses import replace

import gradio as gr

from demo.app import build_demo
from demo.evidence import headline
from demo.run import Column
from demo.settings import points
from demo.view import view
from tests.conftest import TEXT, cascade
from tests.demo.conftest import as_stored, components


def test_page_and_http_api_offer_the_cascade_beside_all_layers_first_and_its_points(both):
    demo = build_demo(both)
    (columns,) = components(demo, gr.CheckboxGroup)
    (point,) = components(demo, gr.Radio, label="Preset")
    assert columns.value == ["dense", "cascade"]
    assert [name for _, name in columns.choices][:2] == ["dense", "cascade"]
    assert points(both) == ["careful", "balanced"]
    assert point.value == "balanced"
    assert "the large one only what the small one doubts" in headline(both, None)
    offered = demo.get_api_info()["named_endpoints"]
    given = {parameter["parameter_name"]: parameter["parameter_default"] for parameter in offered["/tag"]["parameters"]}
    assert given["strategy"] == "cascade"


def test_its_work_is_counted_in_multiplications_since_its_models_differ_in_size(both):
    results = both.tag(TEXT, "dense"), both.tag(TEXT, cascade(0))
    for result in results:
        vars(result)["cost"] = replace(result.cost, macs=result.cost.dense_macs // 4)
    columns = [Column(as_stored(result), result, 1.0) for result in results]
    assert [column["work"] for column in view(both, columns, results[0])["columns"]] == ["100\u00a0%", "25\u00a0%"]
