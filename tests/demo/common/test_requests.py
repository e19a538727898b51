"""A visitor's latest request wins; an edit that changes nothing is none."""

import gradio as gr
import pytest

from demo.common.events import fingerprint
from demo.common.requests import Latest
from demo.settings import default_values
from tests.demo.blocks import components, listeners

TEXT = "Famotidine-associated delirium."


def test_button_examples_files_settings_and_opening_the_page_run(demo, engine):
    (run,) = components(demo, gr.Button, value="Run")
    asks, edits = listeners(demo, "on_request"), listeners(demo, "on_edit")
    assert [function.targets for function in asks] == [[(run._id, "click")]]
    settings = 1 + 1 + 1 + 1 + 1 + len(default_values(engine, None))  # strategies, beside, point (twice), trigger
    assert len(edits) == 3 + settings  # example, file, link
    assert not any(function.queue for function in (*asks, *edits))
    (comparing,) = listeners(demo, "on_compare")
    assert comparing.concurrency_id == "engine"


def test_an_edit_that_changes_nothing_is_no_request_until_another_ends_the_last(demo):
    edit, latest = listeners(demo, "on_edit")[0].fn, Latest()
    number, line = edit(latest, TEXT, ["dense"])
    assert latest.number == number
    assert "Running" in line
    assert edit(latest, TEXT, ["dense"]) == [gr.skip()] * 2
    again, _ = edit(latest, TEXT, ["dense", "entropy"])
    assert latest.number == again > number
    listeners(demo, "on_cancel")[0].fn(latest, again)
    assert edit(latest, TEXT, ["dense", "entropy"])[0] > again


def test_the_button_always_requests(demo):
    request, latest = listeners(demo, "on_request")[0].fn, Latest()
    numbers = [request(latest, TEXT)[0] for _ in range(2)]
    assert numbers[0] < numbers[1] == latest.number
    assert Latest().take() > latest.number, "not even another session has the same number"


@pytest.mark.parametrize(("shown", "said"), [(7, False), (6, True)])
def test_cancel_ends_the_request_and_keeps_what_is_shown_already(demo, shown, said):
    latest = Latest(7, shown=shown)
    line = listeners(demo, "on_cancel")[0].fn(latest, 7)
    assert latest.number != 7
    assert ("Cancelled" in line) if said else line == gr.skip()


def test_fingerprints_tell_values_apart_and_numbers_not_by_their_type():
    assert fingerprint(["a", ["dense"], 0]) == fingerprint(["a", ["dense"], 0.0])
    assert fingerprint(["a", -1]) != fingerprint(["a", -2])  # these have the same hash
    values = (["a", ["dense"]], ["b", ["dense"]], ["a", ["dense", "rule"]])
    assert len(set(map(fingerprint, values))) == 3
