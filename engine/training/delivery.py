"""The folder that ``engine.training.accelerate`` delivers: a checkpoint's own files, plus gate heads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from engine.checkpoint import POINTS, Weights, load_huggingface, optional_file, read_points
from engine.checksums import SUMS, write_checksums
from engine.errors import InputError

CONFIG, MODEL = "config.json", "model.safetensors"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


def copy_checkpoint(weights: Weights, folder: Path, *, rename: bool) -> None:
    """Copies what loading a checkpoint needs, byte for byte.

    Weights in another format than ``model.safetensors`` are converted.

    Args:
        weights: of the checkpoint.
        folder: to copy to.
        rename: write the model's labels into the configuration, as the checkpoint's own names are meaningless.
    """
    found = {name: optional_file(weights.source, name) for name in (CONFIG, MODEL, *TOKENIZER)}
    if not found[MODEL]:  # even if the folder has one: an earlier start may have been stopped while converting
        load_huggingface(weights.source).save_pretrained(folder)  # the configuration, too, which is replaced below
    for name, file in found.items():
        if file:
            shutil.copyfile(file, folder / name)
    if rename:
        names = weights.model.labels.names
        by_logit = [names[index] for index in np.argsort(weights.label_order)]
        config = json.loads((folder / CONFIG).read_text())
        config["id2label"] = {str(index): name for index, name in enumerate(by_logit)}
        config["label2id"] = {name: index for index, name in enumerate(by_logit)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def deliver(folder: Path, out: Path) -> None:
    """Copies a finished model to ``out``; the checksums come last, so they mark it as complete."""
    files = [file for file in folder.iterdir() if file.is_file() and file.suffix != ".jsonl" and file.name != SUMS]
    for file in files:
        shutil.copyfile(file, out / file.name)
    write_checksums(out)
    for file in files:
        file.unlink()


def repair(out: Path) -> None:
    """Makes a delivered model loadable if storing points was interrupted: deletes torn points, renews checksums."""
    try:
        read_points(out / POINTS)
    except InputError:
        (out / POINTS).unlink(missing_ok=True)
    write_checksums(out)
