"""Hugging Face datasets of tokens and tags: ``hf:ID`` on the hub, or ``hf:FOLDER``; needs ``requirements-eval.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.formats.common import Ids, Item, OnError, accepted, attempt, fail
from engine.data.formats.conll import check_tag, entities_of_tags, place_tokens
from engine.errors import FormatError, InputError, first_line, quoted
from engine.text.documents import Document

PREFIX = "hf:"
_TAG_COLUMNS = ("ner_tags", "tags", "labels")
_SPLITS = {"dev": "validation"}  # our names → the hub's


def read_dataset(source: str, split: str = "test", on_error: OnError = fail) -> Iterator[Document]:
    """Documents of a dataset with a column ``tokens`` and one of ``ner_tags``, ``tags``, ``labels``, one per row.

    Tags are IOB2, as strings or as class labels. Text is the tokens joined by spaces. ``id`` is the row's if there is
    such a column, otherwise the row's number. Rows are read one by one from a memory-mapped file.

    Args:
        source: hub id; a folder of ``save_to_disk``; or a folder of files that ``load_dataset`` reads.
        split: ``dev`` is also looked for as ``validation``; ignored for a folder that holds a single split.
        on_error: see `engine.data.formats.read_documents`; the line of an error is the row's number, from 1.

    Raises:
        InputError: the library is missing, no such dataset or split, or other columns.
    """
    rows = _load(source, split)
    tag_column = next((name for name in _TAG_COLUMNS if name in rows.column_names), None)
    if "tokens" not in rows.column_names or tag_column is None:
        raise InputError(
            f"expected columns tokens and one of {list(_TAG_COLUMNS)} in {PREFIX}{source}, got {rows.column_names}; "
            "rename them"
        )
    names = getattr(getattr(rows.features[tag_column], "feature", None), "names", None)
    file, ids = f"{PREFIX}{source}", Ids()

    def item(number: int, row: dict[str, Any]) -> Item:
        identifier = ids.invent(str(number)) if row.get("id") is None else str(row["id"])
        return attempt(
            lambda: _document(identifier, row["tokens"], row[tag_column], names, file, number), ids, file, number
        )

    yield from accepted((item(number, row) for number, row in enumerate(rows, start=1)), on_error)


def _load(source: str, split: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"expected the package datasets for {PREFIX}{source}, got none; pip install -r requirements-eval.txt"
        ) from error
    folder = Path(source)
    try:
        if (folder / "state.json").is_file():
            return datasets.load_from_disk(source)
        saved = (folder / "dataset_dict.json").is_file()
        splits = datasets.load_from_disk(source) if saved else datasets.load_dataset(source)
    except Exception as error:  # the library raises many types; all mean that the dataset is unusable
        raise InputError(
            f"expected a dataset, got {PREFIX}{source}, which cannot be loaded: {first_line(error)}; "
            "check the hub id or folder"
        ) from error
    for name in (split, _SPLITS.get(split)):
        if name in splits:
            return splits[name]
    raise InputError(f"expected a split of {PREFIX}{source} out of {list(splits)}, got {split!r}; choose one of them")


def _document(
    identifier: str, tokens: list[str], tags: list[Any], names: list[str] | None, file: str, number: int
) -> Document:
    """The document of a row; ``names``: those of class labels, by number."""
    if len(tokens) != len(tags):
        problem = f"expected a tag for each token, got {len(tags)} for {len(tokens)}; fix the row"
        raise FormatError(file, number, identifier, problem)
    if names is not None:
        # -100, which training code gives to tokens it skips, is not a label.
        if wrong_tags := [tag for tag in tags if tag is None or not 0 <= tag < len(names)]:
            problem = f"expected class labels from 0 to {len(names) - 1}, got {wrong_tags[0]}; fix the row"
            raise FormatError(file, number, identifier, problem)
        tags = [names[tag] for tag in tags]
    for token, tag in zip(tokens, tags, strict=True):
        if not token.strip():
            raise FormatError(file, number, identifier, f"expected tokens with letters, got {quoted(token)}; remove it")
        if wrong := check_tag(str(tag)):
            raise FormatError(file, number, identifier, wrong)
    text, spans = place_tokens([tokens])
    return Document(identifier, text, entities_of_tags(text, spans, tags))
