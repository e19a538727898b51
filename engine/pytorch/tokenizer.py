"""Loads the tokenizer of a checkpoint as Hugging Face's library does."""

from __future__ import annotations

import re
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from engine.errors import InputError, first_line
from engine.text.windows import WordPieces


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Loads the tokenizer of a checkpoint, cased if its vocabulary is cased.

    Folders like BioBERT's hold a cased ``vocab.txt`` but no case setting, and the library lower-cases by default;
    capitals in ordinary vocabulary entries override that. A stored ``do_lower_case`` always wins, because the
    checkpoint was trained with it.

    Raises:
        InputError: if there is no tokenizer, or none that the tokenizers library can run.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        # Without a vocabulary the library makes a tokenizer of special tokens and almost nothing else.
        if set(tokenizer("a", add_special_tokens=False).input_ids) <= set(tokenizer.all_special_ids):
            raise ValueError("no vocabulary")
    except Exception as error:  # the library raises many types, which all mean that there is no usable tokenizer
        raise InputError(
            f"expected a tokenizer with the model {str(source)!r}, got none: {first_line(error)}; restore its files"
        ) from error
    if getattr(tokenizer, "do_lower_case", False) and "do_lower_case" not in get_tokenizer_config(source):
        ordinary = tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys()
        if any(re.fullmatch(r"(##)?[A-Z][A-Za-z]*", entry) for entry in ordinary):
            tokenizer = AutoTokenizer.from_pretrained(source, do_lower_case=False, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise InputError(
            f"expected a fast tokenizer with the model {str(source)!r}, got {type(tokenizer).__name__}; "
            "add a tokenizer.json to its files, or choose another checkpoint"
        )
    return tokenizer


def word_pieces(tokenizer: PreTrainedTokenizerBase, max_rows: int) -> WordPieces:
    """Makes `WordPieces` of a fast tokenizer; raises an `InputError` if it lacks a token for begin, end or unknown."""
    tokens = (
        _token_id(tokenizer, "cls_token", "bos_token"),
        _token_id(tokenizer, "sep_token", "eos_token"),
        _token_id(tokenizer, "unk_token"),
    )
    return WordPieces(tokenizer.backend_tokenizer.to_str(), tokens, max_rows)


def _token_id(tokenizer: PreTrainedTokenizerBase, *names: str) -> int:
    for name in names:
        if (found := getattr(tokenizer, f"{name}_id")) is not None:
            return int(found)
    raise InputError(
        f"expected a tokenizer with a {' or '.join(names)}, got {type(tokenizer).__name__}, which has none; "
        "set it in tokenizer_config.json"
    )
