"""Loads pretrained encoders quietly, and turns any failure into one type of error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as transformers_logging

from engine.errors import InputError, first_line


@contextmanager
def loading(backbone: str) -> Iterator[None]:
    """A context for loading a backbone.

    Args:
        backbone: folder or hub id.

    Raises:
        InputError: for whatever goes wrong within.
    """
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # as in engine.checkpoint: many types, one meaning
        raise InputError(
            f"expected a Hugging Face encoder, got {backbone!r}: {first_line(error)}; check the path or hub id"
        ) from error
