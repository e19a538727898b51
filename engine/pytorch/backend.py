"""Runs windows in PyTorch: every strategy, in float32 and bfloat16, on a CPU or a GPU."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from engine.errors import InputError, first_line
from engine.pruning.record import Record
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import Weights, weights_digest
from engine.pytorch.chunks import Chunk, Slot, by_text, chunks
from engine.pytorch.forward import run
from engine.pytorch.parallel import at_once
from engine.text.windows import Window

MAX_ROWS = 2048  # keeps a layer's activations within the CPU caches; does not affect results
TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


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
        on_cpu = self.device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1
        batches = list(chunks(windows, MAX_ROWS, threads))
        count = threads if len(batches) >= threads else 1
        one = partial(self._pass, strategy)
        step = count if between is not None else max(len(batches), 1)
        found: list[tuple[Slot, Record]] = []
        for start in range(0, len(batches), step):
            if start and between is not None:
                between()
            some = batches[start : start + step]
            records = at_once(one, some, count, threads // count) if on_cpu else map(one, some)
            found += ((slot, record) for chunk, record in zip(some, records, strict=True) for slot in chunk.slots)
        return by_text(found, len(windows))

    @torch.inference_mode()  # each thread enters it by itself
    def _pass(self, strategy: Strategy, chunk: Chunk) -> Record:
        return run(self.model, chunk.batch, strategy)

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
        raise InputError(f"expected a device of this machine, got {name!r}: {why}; use the device cpu") from error
    raise InputError(f"expected the device cpu or cuda, got {name!r}; choose one of them")


def has_bfloat16_units(device: str) -> bool:
    """Whether a GPU computes in bfloat16 itself; raises an `InputError` if there is no such GPU."""
    return torch.cuda.get_device_capability(_device(device)) >= (8, 0)
