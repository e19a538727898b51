"""The PyTorch backend: every strategy, on a GPU or a CPU, in float32 or bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from engine.errors import InputError, first_line
from engine.models.folder import ModelFolder
from engine.pruning.record import Record
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import load_weights
from engine.pytorch.forward import run
from engine.text.windows import Window

WINDOWS = 8  # in a batch
TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class PyTorchBackend:
    """Runs the passes of a model in PyTorch.

    Args:
        folder: the model's folder.
        dtype: one of `TORCH_DTYPES`.
        device: a torch device, ``cpu`` or ``cuda``.

    Raises:
        InputError: if the device is unknown, or weights are not finite.
    """

    def __init__(self, folder: ModelFolder, dtype: str, device: str) -> None:
        self.device = torch_device(device)
        self.model = load_weights(folder).model
        for name, value in self.model.named_parameters():
            if not value.isfinite().all():
                raise InputError(f"expected finite weights, got NaN or infinity in {name}; restore the model's files")
        self.model.to(self.device, TORCH_DTYPES[dtype])

    def __str__(self) -> str:
        """Identifies what results depend on besides the weights."""
        return f"PyTorch {torch.__version__}"

    @torch.inference_mode()
    def run(
        self,
        windows: Sequence[Window],
        strategy: Strategy,
        on_window: Callable[[], None] | None = None,
        exits: Sequence[np.ndarray] | None = None,
    ) -> list[Record]:
        """See `engine.graph.backend.GraphBackend.run`; windows run in batches."""
        records: list[Record] = []
        for begin in range(0, len(windows), WINDOWS):
            batch = slice(begin, begin + WINDOWS)
            records += run(self.model, windows[batch], strategy, None if exits is None else exits[batch])
            for _ in windows[batch] if on_window is not None else ():
                on_window()  # type: ignore[misc]
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return records


def torch_device(name: str) -> torch.device:
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
    return torch.cuda.get_device_capability(torch_device(device)) >= (8, 0)
