"""Sets the number format that a model runs in, and finds the fastest on this processor."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine.errors import InputError
from engine.model.gated import GatedModel
from engine.model.linear import Linear
from engine.model.runtimes.openvino import Graphs, OpenVINORuntime, check_machine, openvino
from engine.runs import cached

_TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}
DTYPES = (*_TORCH_DTYPES, "auto")

TRIED_ROWS = 256
TRIES = 9
MIN_SPEEDUP = 1.1  # of bfloat16 against float32, which is more precise


@dataclass(frozen=True)
class Precision:
    """The format that a model runs in. ``why`` tells users why ``auto`` chose it; empty if chosen by name."""

    dtype: str
    why: str = ""

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of hidden states, label heads and everything else that is not quantised."""
        return _TORCH_DTYPES[self.dtype]


def set_precision(model: GatedModel, dtype: str, device: torch.device, int8: Path | None = None) -> Precision:
    """Moves a model to a device and converts it to a format, in place; in ``int8``, OpenVINO runs its layers.

    Args:
        model: in float32.
        dtype: one of `DTYPES`. ``auto`` is ``int8`` if that is possible, else ``bfloat16`` if it is clearly
            faster than ``float32``; timings are cached, so that the choice stays the same on one machine.
        device: torch device.
        int8: file with the model's layers in 8 bits.

    Raises:
        InputError: if the format is unknown, weights are not finite, or ``int8`` is not possible; the model then stays
            unchanged.
    """
    if dtype not in DTYPES:
        raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
    check_finite(model)
    chosen = Precision(dtype)
    if dtype == "int8":
        model.encoder.runtime = _openvino(model, int8, device)
    elif dtype == "auto":
        chosen = _choose_on_gpu(device) if device.type != "cpu" else _choose_on_cpu(model, int8, device)
    model.to(device, chosen.torch_dtype)
    return chosen


def _openvino(model: GatedModel, int8: Path | None, device: torch.device) -> OpenVINORuntime:
    """Builds the runtime; raises an `InputError` if there are no layers of these weights, or none can run here."""
    check_int8(device)
    if int8 is None:
        raise InputError(
            "expected a model with layers in 8 bits for dtype int8, got one without; make them with "
            "python -m engine.training.quantise FOLDER --texts FILE"
        )
    graphs = Graphs.load(int8)
    graphs.check(model.encoder)
    check_machine(int8, graphs)
    return OpenVINORuntime(model.encoder, graphs)


def check_finite(model: nn.Module) -> None:
    """Raises an `InputError` if weights are not finite."""
    for name, value in model.named_parameters():
        if not value.isfinite().all():
            raise InputError(f"expected finite weights, got NaN or infinity in {name}; restore the model's files")


def check_int8(device: torch.device) -> None:
    """Raises an `InputError` if this device cannot run layers in 8 bits, or their package is missing."""
    if device.type != "cpu":
        raise InputError(f"expected device cpu for dtype int8, got {device.type}; use --dtype bfloat16")
    openvino()


def _choose_on_gpu(device: torch.device) -> Precision:
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return Precision("bfloat16", "the GPU has units for it")
    return Precision("float32", "the GPU has no units for bfloat16")


def _choose_on_cpu(model: GatedModel, int8: Path | None, device: torch.device) -> Precision:
    """Chooses ``int8`` if it is possible, and otherwise by the time of the largest linear layer."""
    try:
        model.encoder.runtime = _openvino(model, int8, device)
        return Precision("int8", "OpenVINO runs here, and the model's folder has layers in 8 bits")
    except InputError as error:
        no_int8 = f"no int8: {error}"
    layers = (module for module in model.modules() if isinstance(module, Linear))
    seconds = _cached_seconds(max(layers, key=lambda layer: layer.weight.numel()))
    speedup = seconds["float32"] / seconds["bfloat16"]
    if speedup > MIN_SPEEDUP:
        return Precision("bfloat16", f"{speedup:.1f}× as fast as float32 here; {no_int8}")
    return Precision("float32", f"bfloat16 is not faster here; {no_int8}")


def _cached_seconds(layer: Linear) -> dict[str, float]:
    """Seconds of each format, cached from the first measurement with this processor, torch version and thread count."""
    shape = f"{layer.in_features}×{layer.out_features}, {torch.get_num_threads()} threads"
    key = f"torch {torch.__version__}, {shape}: float32, bfloat16"
    return cached("dtypes.json", key, lambda: _measure_seconds(layer))


@torch.no_grad()
def _measure_seconds(layer: Linear) -> dict[str, float]:
    """Runs a layer in each format in turn, on one thread, and returns the shortest processor time of each.

    Processor time on one thread depends little on what else the machine does; the choice is cached for good.
    """
    rows = torch.randn(TRIED_ROWS, layer.in_features, generator=torch.Generator().manual_seed(0))
    trials = {dtype: copy.deepcopy(layer).to(_TORCH_DTYPES[dtype]) for dtype in ("float32", "bfloat16")}
    shortest: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(TRIES):
            for dtype, trial in trials.items():
                own = rows.to(_TORCH_DTYPES[dtype])
                start = time.thread_time()
                trial(own)
                shortest[dtype] = min(shortest.get(dtype, torch.inf), time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return shortest
