"""Facts reported with every number: versions, commit, corpus, machine load."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from engine.runs import processor
from engine.text.documents import Document

ROOT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    return {name: version(name) for name in ("torch", "transformers")}


@cache
def commit() -> str:
    """The commit, with ``-dirty`` if code has uncommitted changes; ``unknown`` outside the project's checkout.

    A copy installed within another project's checkout is outside.
    """
    try:
        _git("ls-files", "--error-unmatch", "--", str(Path(__file__).resolve()))
        revision = _git("rev-parse", "--short=12", "HEAD")
        # Results may be written inside the checkout: that must not make it dirty.
        return f"{revision}-dirty" if _git("status", "--porcelain", "-uno", "--", "*.py") else revision
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@cache
def code_digest() -> str:
    """SHA-256 over the sources of engine and evaluator, which distinguishes uncommitted changes."""
    digest = hashlib.sha256()
    for path in sorted(path for package in ("engine", "eval") for path in (ROOT / package).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def corpus_digest(documents: Iterable[Document]) -> str:
    """SHA-256 over texts and gold."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(repr((document.id, document.text, [entity.key for entity in document.entities])).encode())
    return digest.hexdigest()


def machine() -> str:
    """System, architecture, processor, cores and, on a GPU, its name."""
    name = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores{name}"


def busy() -> float:
    """Share of the processors, 0–1, that others use, measured while this process sleeps for a second."""
    return float(psutil.cpu_percent(interval=1)) / 100
