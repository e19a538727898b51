"""The tensors of a checkpoint as NumPy arrays, read when they are asked for."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open

from engine.errors import InputError, explained, extra

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"  # suffix of the index of weights in several files
FLOATS = ("F16", "BF16", "F32", "F64")  # dtypes of safetensors that are read


class _Stored(NamedTuple):
    source: Any  # the file that holds a tensor, or the array itself
    name: str  # there
    dtype: str  # as safetensors calls it
    shape: tuple[int, ...]


class Tensors:
    """The tensors in the `weight_files` of a model folder; raises its errors, or an `InputError` for a damaged file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, weight_files(folder)
        self._changed = {path: path.stat().st_mtime_ns for path in self.files}
        self._stored: dict[str, _Stored] = {}
        for path in self.files:
            if path.suffix == ".bin":
                found = [_Stored(array, name, "F32", array.shape) for name, array in read_bin(path).items()]
            else:
                with (
                    explained(f"Cannot read the weights in {path}", "Restore the file"),
                    safe_open(path, "numpy") as file,
                ):
                    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
                    found = [
                        _Stored(path, name, part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()
                    ]
            self._stored |= {current_name(stored.name): stored for stored in found}

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def _find(self, name: str) -> _Stored:
        if name not in self._stored:
            raise InputError(
                f"{self.folder} has no tensor {name}. Restore its weights, or choose a checkpoint that was fine-tuned "
                "for token classification."
            )
        return self._stored[name]

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raises an `InputError` unless each of these tensors is there, has this shape and holds finite floats."""
        for name, shape in shapes.items():
            stored = self._find(name)
            if stored.shape != shape:
                raise InputError(
                    f"The tensor {name} in {self.folder} has the shape {stored.shape}, but with these settings in "
                    f"config.json it must have {shape}. Restore weights and config.json."
                )
            if stored.dtype not in FLOATS:
                raise InputError(f"The tensor {name} in {self.folder} is stored as {stored.dtype}. Save it as floats.")
            self.read(name)

    def read(self, name: str) -> np.ndarray:
        """The tensor of this name, float16 or float32; raises an `InputError` if it is missing or not finite."""
        array, stored_name, dtype, _ = self._find(name)
        if isinstance(path := array, Path):
            with explained(f"Cannot read {path} again", "Restore the file, or load the model again"):
                if path.stat().st_mtime_ns != self._changed[path]:
                    raise ValueError("it has changed since it was loaded")
                if dtype == "BF16":
                    import ml_dtypes  # noqa: F401  # makes NumPy know bfloat16; takes up to a second

                with safe_open(path, "numpy") as file:  # an open file keeps what was read in memory
                    array = file.get_tensor(stored_name)
        if array.dtype != np.float16:
            array = np.asarray(array, dtype=np.float32)
        if not np.isfinite(array).all():
            raise InputError(f"The tensor {name} in {self.folder} holds NaN or infinity. Restore the model's files.")
        return array


def current_name(name: str) -> str:
    """Returns the current name of a tensor: in old checkpoints a norm has gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def read_bin(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a ``.bin`` file of PyTorch's, float32; raises an `InputError` if it holds anything else."""
    with extra("training"):
        import torch
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.float().numpy() for name, value in state.items() if value.is_floating_point()}
    except Exception as error:  # whose message says how to run code in the file
        raise InputError(f"{path} holds more than tensors. Save them as {SAFETENSORS}.") from error


def weight_files(folder: Path) -> list[Path]:
    """The files with the weights of a model folder, which are those that Hugging Face's library reads.

    They are ``model.safetensors`` or the parts that its index names, or else ``pytorch_model.bin`` or its parts.
    Raises an `InputError` if there are none of them, or not all.
    """
    for name in (SAFETENSORS, BIN):
        if (folder / name).is_file():
            return [folder / name]
        if (index := folder / (name + INDEX)).is_file():
            with explained(f"{index} does not name files with weights", "Restore the file"):
                parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
                if not parts or any(Path(part).name != part for part in parts):
                    raise ValueError(str(parts))
            if missing := [part for part in parts if not (folder / part).is_file()]:
                raise InputError(f"{missing[0]} is missing, which {index} names. Restore the file.")
            return [folder / part for part in parts]
    raise InputError(f"{folder} has no {SAFETENSORS}. Restore the model's weights.")


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 of files."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
