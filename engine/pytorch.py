"""Runs windows in PyTorch: every strategy, in float32 and bfloat16, on a CPU or a GPU."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import torch

from engine.checkpoint import Weights, weights_digest
from engine.errors import InputError, first_line
from engine.model.chunks import Chunk, Slot, chunks, slots_by_text
from engine.model.packing import RaggedBatch
from engine.model.parallel import at_once
from engine.pruning.forward import run
from engine.pruning.record import Record
from engine.pruning.strategy import Strategy
from engine.text.windows import Window

MAX_ROWS = 2048  # keeps a layer's activations within the CPU caches; does not affect results
TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

T = TypeVar("T")


class PyTorchModel:
    """A model that computes in PyTorch, with its own copy of the weights.

    Args:
        weights: a loaded model folder.
        dtype: one of `TORCH_DTYPES`.
        device: a torch device, ``cpu`` or ``cuda``.

    Raises:
        InputError: if the device is unknown, or weights are not finite.
    """

    @torch.inference_mode(False)  # inside it, parameters would not track their versions
    def __init__(self, weights: Weights, dtype: str, device: str) -> None:
        self.device, self.tokenizer = _device(device), weights.tokenizer
        self.model = copy.deepcopy(weights.model).eval()
        for name, value in self.model.named_parameters():
            if not value.isfinite().all():
                raise InputError(f"expected finite weights, got NaN or infinity in {name}; restore the model's files")
        self.sizes, self.digest = self.model.sizes, weights_digest(self.model, weights.network)
        self.torch_dtype = TORCH_DTYPES[dtype]
        self.model.to(self.device, self.torch_dtype)

    def run(
        self, windows: Sequence[Sequence[Window]], strategy: Strategy, between: Callable[[], None] | None = None
    ) -> list[list[tuple[Slot, Record]]]:
        """Runs the windows of texts under a strategy; see `CompiledModel.run`."""
        one = partial(run, self.model, strategy=strategy)
        return slots_by_text(list(self.passes(windows, one, between)), len(windows))

    def passes(
        self,
        windows: Sequence[Sequence[Window]],
        one: Callable[[RaggedBatch], T],
        between: Callable[[], None] | None = None,
    ) -> Iterator[tuple[Chunk, T]]:
        """Groups the windows of texts into batches; yields each batch in order, with the result of a pass over it.

        On a CPU, as many passes run at once as PyTorch has threads. ``between`` is called between passes, while none
        runs.
        """
        on_cpu = self.device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1
        batches = list(chunks(windows, MAX_ROWS, threads))
        # Each thread enters inference mode by itself.
        calls = [partial(torch.inference_mode()(one), chunk.batch) for chunk in batches]
        count = threads if len(calls) >= threads else 1
        results: Iterator[T]
        results = at_once(calls, count, threads // count, ahead=between is None) if on_cpu else (one() for one in calls)
        for index, (chunk, result) in enumerate(zip(batches, results, strict=True), start=1):
            yield chunk, result
            if between is not None and index < len(batches):
                between()

    def now(self) -> float:
        """Seconds, after all that was started has been computed."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _device(name: str) -> torch.device:
    """Returns a device of this machine; raises an `InputError` unless it is a CPU or a GPU with CUDA."""
    try:
        device = torch.device(name)
        if device.type in ("cpu", "cuda"):
            torch.empty(0, device=device)
            return device
    except (RuntimeError, AssertionError, TypeError, ImportError, NotImplementedError) as error:
        why = first_line(error)
        raise InputError(f"expected a device of this machine, got {name!r}: {why}; use --device cpu") from error
    raise InputError(f"expected the device cpu or cuda, got {name!r}; use --device cpu")


def has_bfloat16_units(device: str) -> bool:
    """Whether a GPU computes in bfloat16 itself; raises an `InputError` if there is no such GPU."""
    return torch.cuda.get_device_capability(_device(device)) >= (8, 0)
