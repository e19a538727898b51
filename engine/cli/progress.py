"""Progress of long steps: a bar with the time left on a terminal, one line in a log."""

import logging
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)


def progress(items: Iterable[Any] | None = None, what: str = "", total: float | None = None, **options: Any) -> Any:
    """A bar of `tqdm` over items or, without any, for ``with``, which is shown if the step takes two seconds.

    ``what`` is done, e.g. ``Label 300 texts``, which a log says when the step begins. ``options``: of tqdm.
    """
    if what and not sys.stderr.isatty():
        logger.info("%s.", what)
    shown = {"delay": 2, "disable": None, "leave": False, "mininterval": 0.5, "dynamic_ncols": True}
    return tqdm(items, what, total, **shown | options)
