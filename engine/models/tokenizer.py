"""Reads the tokenizer of a model folder, without transformers if there is a ``tokenizer.json``."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from engine.errors import InputError, explained, extra
from engine.text.windows import WordPieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Files that transformers reads a tokenizer from, as patterns.
TOKENIZER = ("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model")

# Settings of BERT's normalizer, and what tokenizer_config.json calls them. It overrides tokenizer.json, in the library
# as here, unless it names a class that knows no such settings.
NORMALIZER = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")


def word_pieces(folder: Path, max_rows: int, vocabulary: int) -> WordPieces:
    """Cuts words as the folder's tokenizer does, for an encoder with these limits.

    Raises an `InputError` if there is no tokenizer, or it does not belong to the encoder.
    """
    if (folder / "tokenizer.json").is_file():
        backend, tokens = _read(folder, folder)
    else:
        with TemporaryDirectory() as converted:
            load_tokenizer(folder).save_pretrained(converted)
            backend, tokens = _read(Path(converted), folder)
    entries = 1 + max(backend.get_vocab().values())
    if entries > vocabulary:
        raise InputError(
            f"The tokenizer in {folder} has {entries} entries, but the encoder embeds {vocabulary}. Restore its files."
        )
    return WordPieces(backend.to_str(), tokens, max_rows)


def load_tokenizer(source: str | Path) -> "PreTrainedTokenizerBase":
    """Loads the tokenizer of a checkpoint with transformers.

    Folders like BioBERT's hold a cased ``vocab.txt`` without saying so, and the library lower-cases by default: where
    ``do_lower_case`` is not stored, ordinary vocabulary entries with capitals show that the tokenizer is cased.
    Raises an `InputError` unless the tokenizers library can run it.
    """
    with extra("training"):
        from transformers import AutoTokenizer
        from transformers.models.auto.tokenization_auto import get_tokenizer_config
    with explained(f"Cannot load the tokenizer of {str(source)!r}", "Restore its files"):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        # Without a vocabulary the library makes a tokenizer of special tokens and almost nothing else.
        if set(tokenizer("a", add_special_tokens=False).input_ids) <= set(tokenizer.all_special_ids):
            raise ValueError("its vocabulary is empty")
    if getattr(tokenizer, "do_lower_case", False) and "do_lower_case" not in get_tokenizer_config(source):
        ordinary = tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys()
        if any(re.fullmatch(r"(##)?[A-Z][A-Za-z]*", entry) for entry in ordinary):
            tokenizer = AutoTokenizer.from_pretrained(source, do_lower_case=False, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise InputError(
            f"The tokenizer of {str(source)!r} is a {type(tokenizer).__name__}, which is not a fast one. Add a "
            "tokenizer.json to its files, or choose another checkpoint."
        )
    return tokenizer


def _read(files: Path, folder: Path) -> tuple[Tokenizer, tuple[int, int, int]]:
    """The tokenizer in ``tokenizer.json``, and the ids of its begin (CLS), end (SEP) and unknown tokens."""
    with explained(f"Cannot read the tokenizer in {folder}", "Restore its files"):
        stored = json.loads((files / "tokenizer.json").read_text(encoding="utf-8"))
        config = _json(files / "special_tokens_map.json") | _json(files / "tokenizer_config.json")
        normalizer = stored.get("normalizer") or {}
        if normalizer.get("type") == "BertNormalizer" and config.get("tokenizer_class") not in GENERIC:
            normalizer |= {name: config[entry] for name, entry in NORMALIZER.items() if entry in config}
        backend = Tokenizer.from_str(json.dumps(stored))
        if not backend.get_vocab(with_added_tokens=False):
            raise ValueError("its vocabulary is empty")
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
    raise ValueError(f"it has no {names[0]}, which tokenizer_config.json may set")


def _json(path: Path) -> dict[str, Any]:
    loaded = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return loaded if isinstance(loaded, dict) else {}
