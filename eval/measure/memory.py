"""Memory that an engine keeps between calls, including packed copies of its weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.model.int8 import Int8Linear
from engine.model.linear import Linear
from engine.tagger import Engine

LINEAR, ENGINE, RESIDENT = "tensors of linear layers", "tensors of the engine", "resident, process with it alone"
TEXT = "Six patients on famotidine (20 mg/day) had delirium, nausea and hypotension. " * 8
_FRESH = """
import sys, psutil, torch
from engine.tagger import load_engine
source, dtype, device, labels, threads, text = sys.argv[1:]
torch.set_num_threads(int(threads))
load_engine(source, dtype, device, labels or None).tag(text, "dense")
print(psutil.Process().memory_info().rss)
"""


def kept(engine: Engine) -> dict[str, int]:
    """Bytes of tensors and of a process, by group; only used layers have packed copies."""
    linear = [module for module in engine.model.modules() if isinstance(module, Linear | Int8Linear)]
    found = {LINEAR: _bytes(linear), ENGINE: _bytes(engine.model.modules())}
    resident = _resident(engine)
    return found | ({RESIDENT: resident} if resident else {})


def _bytes(modules: Iterable[nn.Module]) -> int:
    """Bytes of the modules' tensors, each counted once."""
    storages: dict[int, int] = {}
    for module in modules:
        for tensor in _tensors(vars(module)):
            if tensor.layout == torch.strided:
                storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            else:  # packed by oneDNN, which rounds up slightly
                storages[id(tensor)] = tensor.numel() * tensor.element_size()
    return sum(storages.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    """Tensors in dictionaries, lists and dataclasses; submodules are visited separately."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))


def _resident(engine: Engine) -> int | None:
    """Bytes that a fresh process occupies after its first call; ``None`` if it fails, e.g. out of memory."""
    arguments = (
        engine.source,
        engine.dtype,
        str(engine.device),
        engine.labels_file,
        str(torch.get_num_threads()),
        TEXT,
    )
    done = subprocess.run([sys.executable, "-c", _FRESH, *arguments], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None
