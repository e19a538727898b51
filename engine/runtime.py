"""OpenVINO itself: its import, its properties, and a trial of whether this machine computes in 8 bits correctly."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.cli.runs import cached
from engine.errors import InputError


def openvino() -> Any:
    """Imports the library; raises an `InputError` if it is not installed."""
    # Without this optional package, OpenVINO and NNCF send no telemetry.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return import_module("openvino")
    except ImportError as error:
        raise InputError(
            "expected the package openvino for dtype int8, got none; pip install openvino, or use --dtype float32"
        ) from error


def check_device(device: str) -> None:
    """Raises an `InputError` unless the device is a CPU and OpenVINO is installed."""
    if device != "cpu":
        raise InputError(f"expected device cpu for dtype int8, got {device}; use --dtype bfloat16")
    openvino()


def operations() -> Any:
    """OpenVINO's operations, of the version that graphs are composed of."""
    openvino()
    return import_module("openvino.opset15")


@cache
def _core() -> tuple[Any, int]:
    """OpenVINO's entry point, and the id of the process that created it."""
    return openvino().Core(), os.getpid()


def core() -> Any:
    """OpenVINO's entry point; raises an `InputError` in a process forked after its first use, without its threads."""
    found, process = _core()
    if process != os.getpid():
        raise InputError(
            "expected a process that was forked before the first call in int8, got one forked after it; "
            "start processes with spawn, or use --dtype float32"
        )
    return found


def compile_model(model: Any, threads: int) -> Any:
    """Compiles an ``openvino.Model`` that one thread runs with ``threads`` threads."""
    return core().compile_model(model, "CPU", properties(threads))


def properties(threads: int) -> dict[str, Any]:
    """OpenVINO's properties of a graph that one thread compiles for itself and runs with ``threads`` threads."""
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # bfloat16 beside 8 bits is no faster, and wrong on some processors
        "ENABLE_CPU_PINNING": False,  # threads of several graphs would be pinned to the same processors
    }


def check_machine(path: Path, size: int) -> None:
    """Raises an `InputError` unless this machine computes the layers in a file, ``size`` wide, correctly.

    On some processors, some versions of OpenVINO crash or compute wrong numbers. A separate process therefore tries
    the layers, until they have run once with this processor, version and size of layers.
    """

    def try_layers() -> str:
        found_here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "engine.compiled.layers", str(path)]
        process = subprocess.run(command, capture_output=True, text=True, env=found_here)
        if process.returncode:
            lines = process.stderr.strip().splitlines() or [f"its process ended with status {process.returncode}"]
            # Not cached: memory may have run out, for example.
            raise InputError(
                f"expected a machine that runs dtype int8, got one on which OpenVINO fails: {lines[-1]}; "
                "use --dtype float32"
            )
        return "works"

    cached("openvino.json", f"OpenVINO {openvino().__version__}, layers {size} wide", try_layers)
