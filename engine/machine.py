"""The processor of this machine, and the number of threads of a call by default."""

import os
import platform
import sys
from pathlib import Path

import psutil


def threads() -> int:
    """The number of threads of a call: PyTorch's if it is loaded, or as many as the processor has cores."""
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    if (given := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(given):
        return int(given)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or usable, usable))


def processor() -> str:
    """Returns the processor's name from Linux, or from Python on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")
