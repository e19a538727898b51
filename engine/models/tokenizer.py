"""Reads the tokenizer of a model folder without transformers."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tokenizers import Tokenizer

from engine.errors import InputError, expecting, extra
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
        backend, tokens = _read(folder, folder)
    else:
        with extra("training"):
            from engine.pytorch.checkpoint import load_tokenizer

        with TemporaryDirectory() as converted:
            load_tokenizer(folder).save_pretrained(converted)
            backend, tokens = _read(Path(converted), folder)
    entries = 1 + max(backend.get_vocab().values())
    if entries > vocabulary:
        raise InputError(
            f"expected a tokenizer of at most {vocabulary} entries with the model {folder}, got {entries}; restore its "
            "files"
        )
    return WordPieces(backend.to_str(), tokens, max_rows)


def _read(files: Path, folder: Path) -> tuple[Tokenizer, tuple[int, int, int]]:
    """The tokenizer in ``tokenizer.json``, and the ids of its begin (CLS), end (SEP) and unknown tokens."""
    with expecting(f"a tokenizer with the model {folder}", "restore its files"):
        stored = json.loads((files / "tokenizer.json").read_text(encoding="utf-8"))
        config = _json(files / "special_tokens_map.json") | _json(files / "tokenizer_config.json")
        normalizer = stored.get("normalizer") or {}
        if normalizer.get("type") == "BertNormalizer" and isinstance(config.get("do_lower_case"), bool):
            normalizer["lowercase"] = config["do_lower_case"]
        backend = Tokenizer.from_str(json.dumps(stored))
        ends = [backend.id_to_token(number) for number in backend.encode("", add_special_tokens=True).ids]
        begin, end = ends if len(ends) == 2 else (None, None)
        model = stored.get("model") or {}
        unknown = model.get("unk_token")
        if unknown is None and isinstance(model.get("unk_id"), int):
            unknown = backend.id_to_token(model["unk_id"])
        return backend, (
            _token_id(backend, begin, config, "cls_token", "bos_token"),
            _token_id(backend, end, config, "sep_token", "eos_token"),
            _token_id(backend, unknown, config, "unk_token"),
        )


def _token_id(backend: Tokenizer, known: str | None, config: Mapping[str, Any], *names: str) -> int:
    """The id of a special token: the one the tokenizer itself adds, or the one of these names in its configuration."""
    for entry in (known, *map(config.get, names)):
        text = entry.get("content") if isinstance(entry, dict) else entry
        if isinstance(text, str) and (number := backend.token_to_id(text)) is not None:
            return int(number)
    raise ValueError(f"one without {names[0]}, which tokenizer_config.json may set")


def _json(path: Path) -> dict[str, Any]:
    loaded = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return loaded if isinstance(loaded, dict) else {}
