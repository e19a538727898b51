"""Facts about the machine, code and memory that are stated with every measurement."""

import os
import pickle
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from engine.base import Engine
from engine.latency import BUSY, busy_share
from engine.machine import processor
from engine.pruning.strategy import Strategy

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Six patients on famotidine (20 mg/day) had delirium, nausea and hypotension. " * 8
_FRESH_PROCESS = """
import pickle, sys, psutil
from engine import load_engine
model, text, strategy = pickle.load(sys.stdin.buffer)
engine = load_engine(*model)
engine.tag(text, strategy)
print(psutil.Process().memory_info().rss)
"""


def versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    return {name: version(name) for name in ("torch", "transformers", "onnxruntime")}


def other_processes() -> str:
    """A warning if other processes use much of the processors now, so that times would be doubtful; else empty."""
    share = busy_share()
    return f"other processes used {share:.0%} of the processors as this began" if share > BUSY else ""


@cache
def commit() -> str:
    """The commit, with ``-dirty`` if code has uncommitted changes; ``unknown`` outside the project's checkout.

    A copy that is installed within another project's checkout is outside.
    """
    try:
        _git("ls-files", "--error-unmatch", "--", str(Path(__file__).resolve()))
        revision = _git("rev-parse", "--short=12", "HEAD")
        # Only code counts, because results may be written inside the checkout.
        return f"{revision}-dirty" if _git("status", "--porcelain", "-uno", "--", "*.py") else revision
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> str:
    """System, architecture, processor, number of cores and, if there is one, the GPU."""
    name = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    units = {True: " with VNNI", False: " without VNNI", None: ""}[has_vnni()]
    return f"{platform.system()} {platform.machine()}, {processor()}{units}, {os.cpu_count()} cores{name}"


def has_vnni() -> bool | None:
    """Whether an x86 processor has VNNI, on which 8 bits depend; ``None`` where that is not known."""
    about = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not about.is_file():
        return None
    return "_vnni" in about.read_text(encoding="utf-8")


def resident_memory(engine: Engine, strategy: Strategy) -> int | None:
    """Bytes that a fresh process occupies after one call; ``None`` if it fails, e.g. out of memory."""
    model = engine.source, engine.dtype, engine.device, engine.folder.labels_file or None
    given = pickle.dumps((model, TEXT, strategy))
    threads = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", _FRESH_PROCESS], input=given, capture_output=True, env=threads)
    return int(done.stdout) if done.returncode == 0 else None
