"""The PyTorch backend: every strategy, on a GPU or a CPU, in float32 or bfloat16."""

from collections.abc import Callable, Sequence

import torch

from engine.errors import explained
from engine.models.folder import ModelFolder
from engine.pruning.policies import GivenExits
from engine.pruning.record import WindowRecord
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import load_weights
from engine.pytorch.forward import run
from engine.pytorch.packing import WINDOWS
from engine.text.windows import Window


class PyTorchBackend:
    """Runs the passes of a model in PyTorch, in ``float32`` or ``bfloat16``, on a torch device.

    Raises an `InputError` if the device is unknown, or the weights are damaged.
    """

    def __init__(self, folder: ModelFolder, dtype: str, device: str) -> None:
        self.device = torch_device(device)
        self.model = load_weights(folder).model.to(self.device, getattr(torch, dtype))

    def __str__(self) -> str:
        """Identifies what results depend on besides the weights."""
        return f"PyTorch {torch.__version__}"

    @torch.inference_mode()
    def run(
        self, windows: Sequence[Window], strategy: Strategy, done: Callable[[int], None] | None = None
    ) -> list[WindowRecord]:
        """See `engine.graph.backend.GraphBackend.run`; windows run in batches."""
        records: list[WindowRecord] = []
        size = max(WINDOWS, len(windows)) if isinstance(strategy.controller, GivenExits) else WINDOWS
        for begin in range(0, len(windows), size):
            batch = windows[begin : begin + size]
            records += run(self.model, batch, strategy)
            if done is not None:
                done(len(batch))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return records


def torch_device(name: str) -> torch.device:
    """Returns a device of this machine; raises an `InputError` unless it is a CPU or a GPU with CUDA."""
    with explained(f"Cannot use the device {name!r}", "Use the device cpu"):
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise ValueError("it is neither cpu nor cuda")
        torch.empty(0, device=device)
        return device


def has_bfloat16_units(device: str) -> bool:
    """Whether a GPU computes in bfloat16 itself; raises an `InputError` if there is no such GPU."""
    return torch.cuda.get_device_capability(torch_device(device)) >= (8, 0)
