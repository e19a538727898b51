"""Hugging Face datasets of tokens and tags: ``hf:ID`` on the hub, or ``hf:FOLDER``; needs the extra ``baselines``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import InputError, explained, extra, quoted
from engine.formats.checks import Ids, OnError, Place, make_documents, raise_error
from engine.formats.conll import check_tag, entities_of_tags, place_tokens
from engine.text.documents import Document

PREFIX = "hf:"
_TAG_COLUMNS = ("ner_tags", "tags", "labels")


def read_dataset(source: str, split: str = "test", on_error: OnError = raise_error) -> Iterator[Document]:
    """Yields a document per row of a dataset with columns ``tokens`` and ``ner_tags``, ``tags`` or ``labels``.

    Tags are IOB2, as strings or class labels. The text is the tokens joined by spaces. The id is that of a column
    ``id``, or else the row number.

    Args:
        source: hub id, folder written by ``save_to_disk``, or folder of files that ``load_dataset`` reads.
        split: name of the split; ``validation`` also serves as ``dev``. Ignored for a folder that holds a single split.
        on_error: see `engine.formats.read_documents`; errors give the row number, from 1, as the line.

    Raises an `InputError` if the library, dataset, split or a column is missing.
    """
    name, rows, ids = f"{PREFIX}{source}", _load_rows(source, split), Ids()
    column = next((column for column in _TAG_COLUMNS if column in rows.column_names), None)
    if "tokens" not in rows.column_names or column is None:
        columns = ", ".join(rows.column_names)
        raise InputError(f"{name} needs the columns tokens and one of {', '.join(_TAG_COLUMNS)}; it has {columns}.")
    classes = getattr(getattr(rows.features[column], "feature", None), "names", None)
    contents = (
        (Place(name, number, ids), (row.get("id"), row["tokens"], row[column], classes))
        for number, row in enumerate(rows, start=1)
    )
    yield from make_documents(contents, _row_document, on_error)


def _load_rows(source: str, split: str) -> Any:
    with extra("baselines"):
        import datasets
    folder = Path(source)
    with explained(f"Cannot load the dataset {PREFIX}{source}", "Check the hub id or folder"):
        if (folder / "state.json").is_file():
            return datasets.load_from_disk(source)
        saved = (folder / "dataset_dict.json").is_file()
        splits = datasets.load_from_disk(source) if saved else datasets.load_dataset(source)
    for name in (split, "validation" if split == "dev" else split):
        if name in splits:
            return splits[name]
    raise InputError(f"{PREFIX}{source} has no split {split!r}, only {', '.join(splits)}.")


def _row_document(row: tuple[Any, list[str], list[Any], list[str] | None], place: Place) -> Document:
    """Makes a document from an id, tokens, tags and the names of the class labels, by number."""
    identifier, tokens, tags, classes = row
    name = place.identify("" if identifier is None else str(identifier), place.line)
    if len(tokens) != len(tags):
        raise place.error(f"The row has {len(tags)} tags for {len(tokens)} tokens.")
    if classes is not None:
        # -100, which training code assigns to ignored tokens, is not a label.
        if wrong := [tag for tag in tags if tag is None or not 0 <= tag < len(classes)]:
            raise place.error(f"Class labels are from 0 to {len(classes) - 1}, but one is {wrong[0]}.")
        tags = [classes[tag] for tag in tags]
    for token, tag in zip(tokens, tags, strict=True):
        if not token.strip():
            raise place.error(f"The token {quoted(token)} is blank. Remove it.")
        check_tag(str(tag), place)
    text, spans = place_tokens([tokens])
    return Document(name, text, entities_of_tags(text, spans, tags))
