"""Passes at once: all results in order, no more threads than allowed, nothing begun that nobody asks for."""

import threading
import time
from functools import partial

import pytest
import torch

from engine.model.parallel import at_once


def test_results_come_in_order_whatever_ends_first():
    passes = [lambda: time.sleep(0.05) or 0, lambda: 1, lambda: 2]
    assert list(at_once(passes, 2, 1)) == [0, 1, 2]


class Counted:
    """A pass that records how many run at a time; returns its number of PyTorch's threads."""

    def __init__(self) -> None:
        self.lock, self.running, self.most = threading.Lock(), 0, 0

    def __call__(self) -> int:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.01)
        with self.lock:
            self.running -= 1
        return torch.get_num_threads()


def test_as_many_run_at_a_time_as_there_are_threads_each_with_one_thread_of_pytorch():
    one, before = Counted(), torch.get_num_threads()
    assert set(at_once([one] * 9, 3, 1)) == {1}
    assert one.most == 3
    assert torch.get_num_threads() == before


def test_two_calls_share_the_threads():
    names: set[str] = set()
    passes = [lambda: time.sleep(0.002) or names.add(threading.current_thread().name)] * 8
    callers = [threading.Thread(target=lambda: list(at_once(passes, 2, 1))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(names) == 2


@pytest.mark.parametrize(("ahead", "most"), [(True, 3), (False, 2)])
def test_where_nobody_asks_for_more_nothing_more_begins(ahead, most):
    begun: list[int] = []
    results = at_once([partial(begun.append, number) for number in range(9)], 2, 1, ahead=ahead)
    next(results)
    results.close()
    time.sleep(0.05)
    assert len(begun) <= most


def test_unless_they_may_run_ahead_no_pass_runs_while_the_caller_has_a_result():
    one = Counted()
    for _ in at_once([one] * 5, 2, 1, ahead=False):
        assert one.running == 0


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(at_once([lambda: 1 // 0, lambda: 1], 2, 1))
    assert list(at_once([lambda: 1], 2, 1)) == [1], "and the threads survive it"
