"""Reads the tokenizer of a model folder without transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from engine.errors import InputError, first_line
from engine.text.windows import WordPieces

# Files that transformers reads a tokenizer from.
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


def word_pieces(folder: Path, max_rows: int, vocabulary: int) -> WordPieces:
    """Cuts words as the folder's tokenizer does, for an encoder with so many rows and entries in its vocabulary.

    Raises:
        InputError: if there is no tokenizer, or it does not belong to the encoder.
    """
    if (folder / "tokenizer.json").is_file():
        backend, tokens = _read(folder)
    else:
        from engine.pytorch.checkpoint import slow_backend

        backend, tokens = slow_backend(folder)
    entries = 1 + max(Tokenizer.from_str(backend).get_vocab().values())
    if entries > vocabulary:
        raise InputError(
            f"expected a tokenizer of at most {vocabulary} entries with the model {folder}, got {entries}; restore its "
            "files"
        )
    return WordPieces(backend, tokens, max_rows)


def _read(folder: Path) -> tuple[str, tuple[int, int, int]]:
    """The tokenizer in ``tokenizer.json``, and the ids of its begin (CLS), end (SEP) and unknown tokens."""
    path = folder / "tokenizer.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        config = _json(folder / "special_tokens_map.json") | _json(folder / "tokenizer_config.json")
        normalizer = stored.get("normalizer") or {}
        if normalizer.get("type") == "BertNormalizer" and isinstance(config.get("do_lower_case"), bool):
            normalizer["lowercase"] = config["do_lower_case"]
        backend = Tokenizer.from_str(json.dumps(stored))
    except Exception as error:  # the library raises its own types
        raise InputError(
            f"expected a tokenizer with the model {folder}, got none: {first_line(error)}; restore its files"
        ) from error
    ends = backend.encode("", add_special_tokens=True).ids
    model = stored.get("model") or {}
    unknown = model.get("unk_token")
    if unknown is None and isinstance(model.get("unk_id"), int):
        unknown = backend.id_to_token(model["unk_id"])
    given = {"cls_token": None, "sep_token": None, "unk_token": unknown}
    if len(ends) == 2:
        given |= {"cls_token": backend.id_to_token(ends[0]), "sep_token": backend.id_to_token(ends[1])}
    tokens = [_token_id(backend, name, config, given[name], path) for name in given]
    return backend.to_str(), (tokens[0], tokens[1], tokens[2])


def _token_id(backend: Any, name: str, config: Mapping[str, Any], known: str | None, path: Path) -> int:
    """The id of a special token: the one the tokenizer itself adds, or the one of this name in its configuration."""
    other = {"cls_token": "bos_token", "sep_token": "eos_token"}.get(name, name)
    for entry in (known, config.get(name), config.get(other)):
        text = entry.get("content") if isinstance(entry, dict) else entry
        if isinstance(text, str) and (number := backend.token_to_id(text)) is not None:
            return int(number)
    raise InputError(f"expected a tokenizer with a {name} in {path.parent}, got none; set it in tokenizer_config.json")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
