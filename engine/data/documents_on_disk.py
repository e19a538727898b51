"""Stores the documents of a corpus on disk, so that memory use does not grow with the corpus."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterable, Sequence
from tempfile import TemporaryFile
from typing import Any

from engine.text.documents import Document


class DocumentsOnDisk(Sequence[Document]):
    """A sequence of documents in a temporary file, which is deleted with the object; slicing returns a tuple."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  # closed with the object
        self._starts = array("Q")
        for document in documents:
            self._starts.append(self._file.tell())
            pickle.dump(document, self._file)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        self._file.seek(self._starts[index])
        return pickle.load(self._file)
