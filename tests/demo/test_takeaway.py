"""Links and snippets do what they say, and hold nothing that a user or an attacker put there."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest

from demo.examples import EXAMPLES
from demo.links import make_link, read_link
from demo.takeaway import as_command, as_python, trace_json
from engine import Engine

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} delirium"


def query(link: str) -> dict[str, str]:
    return dict(parse_qsl(link.removeprefix("?")))


def test_a_link_reopens_the_settings_and_the_example(engine: Engine) -> None:
    name, text = next(iter(EXAMPLES.items()))
    link = make_link(engine, text, ["dense", "entropy+recovery"], None, "entity_loss", [1.5, 0.25, 0.5])
    assert query(link)["example"] == name
    updates = read_link(engine, query(link))
    assert [updates[0], updates[1], *updates[3:]] == [
        text,
        ["dense", "entropy+recovery"],
        "entity_loss",
        1.5,
        0.25,
        0.5,
    ]


def test_a_users_text_is_not_in_the_link(engine: Engine) -> None:
    assert "delirium" not in make_link(engine, HOSTILE, ["dense"], None, "", [0.0, 0.0, 0.0])


@pytest.mark.parametrize("value", [HOSTILE, "nan", "inf", "1e9", "-1e9", "", "__class__"])
def test_what_does_not_fit_is_passed_over(engine: Engine, value: str) -> None:
    hostile = dict.fromkeys(["example", "strategies", "point", "trigger", "rule.lambda_", "rule.min_keep_ratio"], value)
    assert all(isinstance(update, dict) for update in read_link(engine, hostile))  # gr.skip()


def test_python_gives_what_the_page_shows(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path, capsys) -> None:
    monkeypatch.setattr("engine.load_engine", lambda source: engine, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(HOSTILE)
    strategy = engine.strategy("rule", lambda_=1.25)
    exec(as_python(engine, [strategy], None), {})
    assert capsys.readouterr().out == f"{engine.tag(HOSTILE, strategy).entities}\n"


def test_the_command_has_the_settings_and_says_which_it_cannot_have(engine: Engine) -> None:
    command = as_command(engine, [engine.strategy("rule", lambda_=1.25), engine.strategy("dense")], None)
    assert "--strategy rule --lambda 1.25 --model weights/" in command
    recovering = engine.strategy("entropy+recovery", trigger="entity_loss")
    assert "# not on the command line: trigger=entity_loss" in as_command(engine, [recovering], None)


def test_the_trace_is_json_of_every_word(engine: Engine) -> None:
    record = json.loads(trace_json(engine, HOSTILE, [engine.strategy("rule")]))
    assert record["text"] == HOSTILE
    assert "".join(word["text"] for word in record["results"][0]["trace"]) == HOSTILE.replace(" ", "")
