"""The tensors of a checkpoint as NumPy arrays, read when they are asked for."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  # makes NumPy know bfloat16, which safetensors asks it for
import numpy as np
from safetensors import safe_open

from engine.errors import InputError, expecting, extra


class Tensors:
    """The tensors in the safetensors files, or else in the ``.bin`` files, of a model folder.

    Raises:
        InputError: if there are no such files, or they are damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.files = weight_files(folder)
        self._changed = {path: path.stat().st_mtime_ns for path in self.files}
        self._file_of: dict[str, Any] = {}
        for path in self.files:
            if path.suffix == ".bin":
                with extra("training"):
                    from engine.pytorch.checkpoint import read_bin

                self._file_of |= read_bin(path)
                continue
            with expecting(f"weights in {path}", "restore the file"), safe_open(path, "numpy") as file:
                self._file_of |= dict.fromkeys(file.keys(), path)
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def __iter__(self) -> Any:
        return iter(self._file_of)

    def read(self, name: str) -> np.ndarray:
        """The tensor of this name, float16 or float32; raises an `InputError` if it is missing or not finite."""
        if name not in self._file_of:
            raise InputError(
                f"expected the tensor {name} in {self.folder}, got none; choose a checkpoint that was fine-tuned for "
                "token classification, or restore its weights"
            )
        source = self._file_of[name]
        array = source
        if isinstance(source, Path):
            with expecting(f"{source} as it was loaded", "restore the file, or load the model again"):
                if source.stat().st_mtime_ns != self._changed[source]:
                    raise ValueError("one that has changed since")
                with safe_open(source, "numpy") as file:  # an open file keeps what was read in memory
                    array = file.get_tensor(name)
        if array.dtype != np.float16:
            array = np.asarray(array, dtype=np.float32)
        if not np.isfinite(array).all():
            raise InputError(f"expected finite weights, got NaN or infinity in {name}; restore the model's files")
        return array


def weight_files(folder: Path) -> list[Path]:
    """The files with the weights of a model folder, or an `InputError` if there are none."""
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            return files
    raise InputError(f"expected model.safetensors in {folder}, got no such file; restore the model's weights")


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 of files."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
