"""The number format that a model runs in, and which is fastest on this processor."""

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
from engine.model.runtimes.openvino import Graphs, OpenVINORuntime, why_not
from engine.runs import cached

logger = logging.getLogger(__name__)

_TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}
DTYPES = (*_TORCH_DTYPES, "auto")

TRIED_ROWS = 256
TRIES = 9
WORTH = 1.1  # how many times as fast a less precise format must be


@dataclass(frozen=True)
class Precision:
    """The format that a model runs in. ``why``: for people, what ``auto`` found; empty if chosen by name."""

    dtype: str
    why: str = ""

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of hidden states, label heads and everything else not quantised."""
        return _TORCH_DTYPES[self.dtype]


def set_precision(model: GatedModel, dtype: str, device: torch.device, int8: Path | None = None) -> Precision:
    """Moves a model to a device and converts it to a format, in place; ``int8`` quantises its `Linear` layers.

    Args:
        model: in float32.
        dtype: one of `DTYPES`; ``auto``: the fastest that works, or the most precise of those about equally fast; what
            was measured is cached, so that the choice stays the same on one machine.
        device: of torch.
        int8: a file of its layers in 8 bits, which OpenVINO then runs.

    Raises:
        InputError: an unknown format, weights that are not finite, or ``int8`` that is not possible; the layers stay
            as they were.
    """
    if dtype not in DTYPES:
        raise InputError(f"expected a dtype out of {list(DTYPES)}, got {dtype!r}; choose one of them")
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
        chosen = _quantised_or_not(model, _fastest(model, device))
    else:
        chosen = Precision(dtype)
        if dtype == "int8":
            check_int8(device)
            if not quantise(model):
                raise InputError("expected linear layers to quantise, got a model without; use --dtype float32")
    model.to(device, chosen.torch_dtype)
    return chosen


def _openvino(model: GatedModel, int8: Path, device: torch.device) -> OpenVINORuntime:
    """The runtime of a model's layers in 8 bits.

    Raises:
        InputError: this device cannot run them, or they are those of other weights.
    """
    if device.type != "cpu":
        raise InputError(f"expected device cpu for dtype int8, got {device.type}; use --dtype bfloat16")
    if why := why_not(int8):
        raise InputError(f"expected a machine that runs dtype int8, got one that does not: {why}; use --dtype float32")
    graphs = Graphs.load(int8)
    graphs.check(model.encoder)
    return OpenVINORuntime(model.encoder, graphs)


def check_finite(model: nn.Module) -> None:
    """Raises `InputError` if weights are not finite."""
    for name, value in model.named_parameters():
        if not value.isfinite().all():
            raise InputError(f"expected finite weights, got others in {name}; restore the model's files")


def check_int8(device: torch.device) -> None:
    """Raises `InputError` if this device cannot multiply in 8 bits."""
    if device.type != "cpu":
        raise InputError(f"expected device cpu for dtype int8, got {device.type}; use --dtype bfloat16")
    if not int8_works():
        raise InputError(
            "expected an x86 processor with VNNI for dtype int8, got one that does not multiply 8-bit numbers exactly; "
            "use --dtype float32"
        )


def _quantised_or_not(model: nn.Module, ranked: list[Precision]) -> Precision:
    """The first format that the model supports; quantises the model if that is ``int8``."""
    first, *others = ranked
    if first.dtype != "int8":
        return first
    try:
        quantise(model)
    except InputError as error:
        return Precision(others[0].dtype, f"{others[0].why}, and int8 is not possible: {error}")
    return first


def _fastest(model: nn.Module, device: torch.device) -> list[Precision]:
    """Ranks the formats that work, best first, by timing the largest linear layer; emulated formats lose."""
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
    seconds = _known_seconds(trials, plain)
    best = ["float32"]
    for dtype in list(trials)[1:]:  # most precise first
        if seconds[dtype] * WORTH < seconds[best[0]]:
            best.insert(0, dtype)
    ratios = {dtype: f"{seconds['float32'] / seconds[dtype]:.1f}× as fast as float32 here" for dtype in best[:-1]}
    return [Precision(dtype, ratios.get(dtype, "no other is faster here")) for dtype in best]


def _known_seconds(trials: dict[str, nn.Module], plain: Linear) -> dict[str, float]:
    """The time of each format as first measured on this processor, with this version of torch and as many threads."""
    rows = torch.randn(TRIED_ROWS, plain.in_features, generator=torch.Generator().manual_seed(0))
    shape = f"{plain.in_features}×{plain.out_features}, {torch.get_num_threads()} threads"
    key = f"torch {torch.__version__}, {shape}: {', '.join(trials)}"
    return cached("dtypes.json", key, lambda: _seconds(trials, rows))


@torch.no_grad()
def _seconds(trials: dict[str, nn.Module], rows: torch.Tensor) -> dict[str, float]:
    """The shortest time of each layer on the same rows, alternating between layers."""
    shortest: dict[str, float] = {}
    for _ in range(TRIES):
        for dtype, layer in trials.items():
            own = rows.to(_TORCH_DTYPES[dtype])
            start = time.perf_counter()
            layer(own)
            shortest[dtype] = min(shortest.get(dtype, torch.inf), time.perf_counter() - start)
    return shortest
