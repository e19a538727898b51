"""Sets the number format that a model runs in, and finds the fastest on this processor."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine.errors import InputError
from engine.model.gated import GatedModel
from engine.model.int8 import Int8Linear, quantise
from engine.model.linear import Linear
from engine.model.onednn import int8_works
from engine.model.runtimes.openvino import Graphs, OpenVINORuntime, why_unavailable
from engine.runs import cached

logger = logging.getLogger(__name__)

_TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}
DTYPES = (*_TORCH_DTYPES, "auto")

TRIED_ROWS = 256
TRIES = 9
MIN_SPEEDUP = 1.1  # how many times as fast a less precise format must be


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
    """Moves a model to a device and converts it to a format, in place; ``int8`` quantises its `Linear` layers.

    Args:
        model: in float32.
        dtype: one of `DTYPES`. ``auto`` is the fastest that works, or the most precise of those about equally fast;
            timings are cached, so that the choice stays the same on one machine.
        device: torch device.
        int8: file with the model's layers in 8 bits, which OpenVINO then runs.

    Raises:
        InputError: if the format is unknown, weights are not finite, or ``int8`` is not possible; the layers then stay
            unchanged.
    """
    if dtype not in DTYPES:
        raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
    check_finite(model)
    if int8 is not None and dtype in ("int8", "auto"):
        try:
            model.encoder.runtime = _openvino(model, int8, device)
            return Precision("int8", "OpenVINO runs the layers, with scales stored in the model's folder")
        except InputError as error:
            if dtype == "int8":
                raise
            logger.warning("no int8: %s", error)
    if dtype == "auto":
        chosen = _first_supported(model, _rank_formats(model, device))
    else:
        chosen = Precision(dtype)
        if dtype == "int8":
            check_int8(device)
            if not quantise(model):
                raise InputError("expected linear layers to quantise, got a model that has none; use --dtype float32")
    model.to(device, chosen.torch_dtype)
    return chosen


def _openvino(model: GatedModel, int8: Path, device: torch.device) -> OpenVINORuntime:
    """Builds the OpenVINO runtime for a model's layers in 8 bits.

    Raises:
        InputError: if this device cannot run the layers, or they were made from other weights.
    """
    if device.type != "cpu":
        raise InputError(f"expected device cpu for dtype int8, got {device.type}; use --dtype bfloat16")
    graphs = Graphs.load(int8)
    if why := why_unavailable(int8, graphs):
        raise InputError(f"expected a machine that runs dtype int8, got one that does not: {why}; use --dtype float32")
    graphs.check(model.encoder)
    return OpenVINORuntime(model.encoder, graphs)


def check_finite(model: nn.Module) -> None:
    """Raises an `InputError` if weights are not finite."""
    for name, value in model.named_parameters():
        if not value.isfinite().all():
            raise InputError(f"expected finite weights, got NaN or infinity in {name}; restore the model's files")


def check_int8(device: torch.device) -> None:
    """Raises an `InputError` if this device cannot multiply in 8 bits."""
    if device.type != "cpu":
        raise InputError(f"expected device cpu for dtype int8, got {device.type}; use --dtype bfloat16")
    if not int8_works():
        raise InputError(
            "expected an x86 processor with VNNI for dtype int8, got one that does not multiply 8-bit numbers exactly; "
            "use --dtype float32"
        )


def _first_supported(model: nn.Module, ranked: list[Precision]) -> Precision:
    """Returns the first format that the model supports; quantises the model if that is ``int8``."""
    first, *others = ranked
    if first.dtype != "int8":
        return first
    try:
        quantise(model)
    except InputError as error:
        return Precision(others[0].dtype, f"{others[0].why}, and int8 is not possible: {error}")
    return first


def _rank_formats(model: nn.Module, device: torch.device) -> list[Precision]:
    """Ranks the formats that work, best first, by the time of the largest linear layer."""
    if device.type != "cpu":
        units = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        if units:
            return [Precision("bfloat16", "the GPU has units for it")]
        return [Precision("float32", "the GPU has no units for bfloat16")]
    layers = [module for module in model.modules() if isinstance(module, Linear)]
    if not layers:
        return [Precision("float32", "no layer to quantise")]
    plain = copy.deepcopy(max(layers, key=lambda layer: layer.weight.numel())).to(device, torch.float32)
    trials: dict[str, nn.Module] = {"float32": plain, "bfloat16": copy.deepcopy(plain).to(torch.bfloat16)}
    try:
        check_int8(device)
        trials["int8"] = Int8Linear(plain)
    except InputError:
        pass
    seconds = _cached_seconds(trials, plain)
    best = ["float32"]
    for dtype in list(trials)[1:]:  # most precise first
        if seconds[dtype] * MIN_SPEEDUP < seconds[best[0]]:
            best.insert(0, dtype)
    ratios = {dtype: f"{seconds['float32'] / seconds[dtype]:.1f}× as fast as float32 here" for dtype in best[:-1]}
    return [Precision(dtype, ratios.get(dtype, "no other is faster here")) for dtype in best]


def _cached_seconds(trials: dict[str, nn.Module], plain: Linear) -> dict[str, float]:
    """Seconds of each format, cached from the first measurement with this processor, torch version and thread count."""
    rows = torch.randn(TRIED_ROWS, plain.in_features, generator=torch.Generator().manual_seed(0))
    shape = f"{plain.in_features}×{plain.out_features}, {torch.get_num_threads()} threads"
    key = f"torch {torch.__version__}, {shape}: {', '.join(trials)}"
    return cached("dtypes.json", key, lambda: _measure_seconds(trials, rows))


@torch.no_grad()
def _measure_seconds(trials: dict[str, nn.Module], rows: torch.Tensor) -> dict[str, float]:
    """Runs the layers in turn on the same rows, on one thread, and returns the shortest processor time of each.

    Processor time on one thread depends little on what else the machine does; the choice is cached for good.
    """
    shortest: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(TRIES):
            for dtype, layer in trials.items():
                own = rows.to(_TORCH_DTYPES[dtype])
                start = time.thread_time()
                layer(own)
                shortest[dtype] = min(shortest.get(dtype, torch.inf), time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return shortest
