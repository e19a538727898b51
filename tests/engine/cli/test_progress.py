"""A long step shows a bar with the time left on a terminal, and in a log one line."""

import io
import sys
import time

from engine.cli.command import say
from engine.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_it_has_the_share_done_and_the_time_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    for _ in progress(range(4), "Label 4 texts", delay=0.01, mininterval=0.01):
        time.sleep(0.03)
        say("A sentence.")
    assert "Label 4 texts:  50%" in terminal.getvalue()
    assert "<00:00" in terminal.getvalue()
    assert terminal.getvalue().count("A sentence.\n") == 4


def test_a_short_step_shows_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(progress(range(4), "Label 4 texts")) == [0, 1, 2, 3]
    assert terminal.getvalue() == ""


def test_in_a_log_it_is_one_line(caplog, capsys):
    caplog.set_level("INFO", "engine.cli")
    for _ in progress(range(4), "Label 4 texts", delay=0):
        time.sleep(0.01)
    assert caplog.messages == ["Label 4 texts."]
    assert "%" not in capsys.readouterr().err
