"""A long command says what it will do, how far it is, and how it ended, in whole lines."""

import time

import pytest

from engine.cli import progress as module
from engine.cli.progress import Progress, duration


@pytest.fixture(autouse=True)
def lines(monkeypatch):
    """What was said; lines follow each other fast."""
    said = []
    monkeypatch.setattr(module, "say", said.append)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    return said


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved, with progress that reports nothing by itself."""
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_it_begins_with_the_plan_and_ends_with_the_verdict_and_the_next_command(lines, clock):
    progress = Progress("Tag 40 files", total=40)
    clock[0] = 180
    progress.finish("40 files tagged.", "python -m eval.report")
    assert lines == ["Tag 40 files.", "Done after 3 min: 40 files tagged.\nNext: python -m eval.report"]


@pytest.mark.parametrize(("seconds", "count"), [(0.001, 0), (90, 1)])
def test_without_a_plan_a_short_run_says_nothing(seconds, count, lines, clock):
    progress = Progress()
    clock[0] = seconds
    progress.finish("40 files tagged.")
    assert len(lines) == count


def test_time_left_is_that_of_the_pace_of_this_start(lines, clock):
    progress = Progress(total=100, done=50)
    assert progress.line() == "50 % done after 0 s."
    progress.advance(10)
    clock[0], progress.note = 120, "notes.xml"
    assert progress.line() == "60 % done, about 8 min left (notes.xml)."
    progress.advance(45)  # more than was planned
    assert "about 0 s left" in progress.line()
    progress = Progress()
    progress.advance(1200)
    clock[0] += 60
    assert progress.line() == "1,200 done after 60 s."
    assert lines == [], "without a plan, and outside of with, nothing is said"


def test_lines_come_within_a_long_step_and_end_with_the_work(lines):
    with Progress(total=10) as progress:
        time.sleep(0.2)
    count = len(lines)
    assert count > 2
    time.sleep(0.1)
    assert len(lines) == count
    assert progress.line() in lines


def test_a_command_speaks_between_its_steps_and_within_them_only_the_step_does(lines):
    with Progress("Train") as command:
        time.sleep(0.1)
        assert lines[1:] == [command.line()] * (len(lines) - 1)
        assert len(lines) > 2
        with Progress("Label", total=10):
            lines.clear()
            time.sleep(0.1)
        assert {line.partition(" after")[0] for line in lines} == {"0 % done"}
        lines.clear()
        time.sleep(0.1)
    assert {line.partition(" for")[0] for line in lines} == {"At work"}


def test_of_equal_steps_each_ends_by_itself(lines):
    with Progress(total=1) as outer:
        with Progress(total=1) as inner:
            assert Progress.running[-1] is inner
        assert Progress.running[-1] is outer
        outer.advance()


def test_no_line_follows_the_verdict(lines, monkeypatch):
    def say_slowly(line):
        time.sleep(0.0 if line.startswith("Done") else 0.1)
        lines.append(line)

    monkeypatch.setattr(module, "say", say_slowly)
    with Progress("Train", total=10) as progress:
        time.sleep(0.05)  # a line is on its way
        progress.finish("it is in FOLDER.")
    assert lines[-1].startswith("Done")


def test_after_an_interrupt_it_says_how_to_continue(lines):
    with pytest.raises(KeyboardInterrupt), Progress(total=10, resume="The same command continues."):
        raise KeyboardInterrupt
    assert lines[-1].endswith("The same command continues.")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (7790, "2 h 10 min")]
)
def test_durations_are_rounded_for_people(seconds, text):
    assert duration(seconds) == text
