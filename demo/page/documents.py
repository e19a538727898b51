"""Pages for what the headline links to: the README and the model card of the weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from demo.page.models import path_of
from engine import Engine

README = Path(__file__).resolve().parents[2] / "README.md"
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Document:
    """A Markdown file and the address of its page."""

    title: str
    path: str
    file: Path


def documents_of(name: str, models: Mapping[str, Engine]) -> list[Document]:
    """What the page of a model links to, as far as it is there."""
    card = Path(models[name].source) / "README.md"
    suffix = f"-{path_of(name, models)}" if path_of(name, models) else ""
    found = [Document("README", "readme", README), Document("Model card", f"model-card{suffix}", card)]
    return [document for document in found if document.file.is_file()]


def build_document(document: Document) -> None:
    """Builds the page of a document."""
    gr.HTML('<p class="links"><a href="./">Back to the app</a></p>')
    gr.Markdown(_FRONT_MATTER.sub("", document.file.read_text(encoding="utf-8")))
