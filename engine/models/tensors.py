"""The tensors of a checkpoint as NumPy arrays, read when they are asked for."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from engine.errors import InputError, expecting, extra

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"  # suffix of the index of weights in several files


class Tensors:
    """The tensors in the `weight_files` of a model folder; raises its errors, or an `InputError` for a damaged file."""

    def __init__(self, folder: Path) -> None:
        self.files = weight_files(folder)
        self._changed = {path: path.stat().st_mtime_ns for path in self.files}
        self._source_of: dict[str, tuple[Any, str]] = {}  # name → its file or the array itself, and its name there
        for path in self.files:
            if path.suffix == ".bin":
                found: dict[str, Any] = read_bin(path)
            else:
                with expecting(f"weights in {path}", "restore the file"), safe_open(path, "numpy") as file:
                    found = dict.fromkeys(file.keys(), path)
            self._source_of |= {current_name(name): (source, name) for name, source in found.items()}
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return name in self._source_of

    def __iter__(self) -> Any:
        return iter(self._source_of)

    def read(self, name: str) -> np.ndarray:
        """The tensor of this name, float16 or float32; raises an `InputError` if it is missing or not finite."""
        if name not in self._source_of:
            raise InputError(
                f"expected the tensor {name} in {self.folder}, got none; choose a checkpoint that was fine-tuned for "
                "token classification, or restore its weights"
            )
        source, stored_name = self._source_of[name]
        array = source
        if isinstance(source, Path):
            with expecting(f"{source} as it was loaded", "restore the file, or load the model again"):
                if source.stat().st_mtime_ns != self._changed[source]:
                    raise ValueError("one that has changed since")
                with safe_open(source, "numpy") as file:  # an open file keeps what was read in memory
                    if file.get_slice(stored_name).get_dtype() == "BF16":
                        import ml_dtypes  # noqa: F401  # makes NumPy know bfloat16; takes up to a second

                    array = file.get_tensor(stored_name)
        if array.dtype != np.float16:
            array = np.asarray(array, dtype=np.float32)
        if not np.isfinite(array).all():
            raise InputError(f"expected finite weights, got NaN or infinity in {name}; restore the model's files")
        return array


def current_name(name: str) -> str:
    """What a tensor is called now: in old checkpoints a norm has gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def read_bin(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a ``.bin`` file of PyTorch's, float32; raises an `InputError` if it holds anything else."""
    with extra("training"):
        import torch
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.float().numpy() for name, value in state.items() if value.is_floating_point()}
    except Exception as error:  # whose message says how to run code in the file
        raise InputError(f"expected tensors alone in {path}, got something else; save them as {SAFETENSORS}") from error


def weight_files(folder: Path) -> list[Path]:
    """The files with the weights of a model folder, which are those that Hugging Face's library reads.

    They are ``model.safetensors`` or the parts that its index names, or else ``pytorch_model.bin`` or its parts.
    Raises an `InputError` if there are none of them, or not all.
    """
    for name in (SAFETENSORS, BIN):
        if (folder / name).is_file():
            return [folder / name]
        if (index := folder / (name + INDEX)).is_file():
            with expecting(f"the names of files with weights in {index}", "restore the file"):
                parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
                if not parts or any(Path(part).name != part for part in parts):
                    raise ValueError(str(parts))
            if missing := [part for part in parts if not (folder / part).is_file()]:
                raise InputError(f"expected {missing[0]}, which {index} names, got no such file; restore it")
            return [folder / part for part in parts]
    raise InputError(f"expected {SAFETENSORS} in {folder}, got no such file; restore the model's weights")


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 of files."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
