"""How many threads a call uses unless its engine has a number of its own."""

import os
import sys

import psutil


def threads() -> int:
    """The number of threads of a call: PyTorch's if it is loaded, or as many as the processor has cores."""
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    if (given := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(given):
        return int(given)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or usable, usable))
