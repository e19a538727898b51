"""A visitor's last request wins."""

from __future__ import annotations

from demo.common.requests import MAX_SESSIONS, RequestNumbers, fingerprint


def test_a_new_request_ends_the_older_one_of_the_same_session_alone() -> None:
    turns = RequestNumbers()
    first, other = turns.take("a"), turns.take("b")
    assert turns.is_latest("a", first)
    second = turns.take("a")
    assert second > first
    assert not turns.is_latest("a", first)
    assert turns.is_latest("a", second)
    assert turns.is_latest("b", other)


def test_forgotten_sessions_compute_to_the_end() -> None:
    turns = RequestNumbers()
    first = turns.take("a")
    for number in range(MAX_SESSIONS):
        turns.take(str(number))
    assert turns.is_latest("a", first)


def test_the_same_again_is_no_request_until_another_ends_the_first() -> None:
    turns = RequestNumbers()
    first = turns.take("a", 7)
    assert turns.take_if_new("a", 7) is None
    assert turns.is_latest("a", first)
    assert turns.take_if_new("b", 7) is not None
    turns.take("a")
    second = turns.take_if_new("a", 7)
    assert second is not None
    assert turns.is_latest("a", second)


def test_fingerprints_tell_values_apart_and_numbers_not_by_their_type() -> None:
    assert fingerprint(["a", ["dense"], 0]) == fingerprint(["a", ["dense"], 0.0])
    assert fingerprint(["a", -1]) != fingerprint(["a", -2])  # these have the same hash
    assert (
        len({fingerprint(["a", ["dense"]]), fingerprint(["b", ["dense"]]), fingerprint(["a", ["dense", "rule"]])}) == 3
    )
