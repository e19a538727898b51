"""How many threads a call uses, for every way to compute."""

import os
import sys

import psutil

_chosen: int | None = None


def threads() -> int:
    """The number of threads of a call: PyTorch's if it is loaded, or as many as the processor has cores."""
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    return _chosen or _cores()


def set_threads(number: int) -> None:
    """Sets the number of threads of a call."""
    global _chosen
    _chosen = number
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(number)


def _cores() -> int:
    if (given := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(given):
        return int(given)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or usable, usable))
