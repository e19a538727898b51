"""Passes at once: all results in order, and no more threads than allowed."""

import threading
import time

import pytest
import torch

from engine.pytorch.parallel import at_once


def test_results_come_in_order_whatever_ends_first_and_an_error_reaches_the_caller():
    assert list(at_once(lambda number: time.sleep(0.05 / (1 + number)) or number, range(3), 2, 1)) == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        list(at_once(lambda number: 1 // number, (0, 1), 2, 1))
    assert list(at_once(lambda number: 1 // number, (1,), 2, 1)) == [1], "and the threads survive it"


class Counted:
    """A pass that records how many run at a time; returns its number of PyTorch's threads."""

    def __init__(self) -> None:
        self.lock, self.running, self.most = threading.Lock(), 0, 0

    def __call__(self, number: int) -> int:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.01)
        with self.lock:
            self.running -= 1
        return torch.get_num_threads()


def test_as_many_run_at_a_time_as_there_are_threads_each_with_one_thread_of_pytorch():
    one, before = Counted(), torch.get_num_threads()
    assert set(at_once(one, range(9), 3, 1)) == {1}
    assert one.most == 3
    assert torch.get_num_threads() == before


def test_two_calls_share_the_threads():
    names: set[str] = set()

    def one(_: int) -> None:
        time.sleep(0.002)
        names.add(threading.current_thread().name)

    callers = [threading.Thread(target=lambda: list(at_once(one, range(8), 2, 1))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(names) == 2
