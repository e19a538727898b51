"""Starts the demo: loads the weights once, builds the page and serves it; until then, a loading page is shown."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from demo.page.waiting import waiting_page
from demo.shares import in_thread_that_ends
from engine.command import as_command

if TYPE_CHECKING:
    import gradio as gr

# Gradio reads this when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
M_ARENA_MAX = -8  # from glibc's malloc.h


def share_memory() -> None:
    """Makes all threads share one malloc arena (glibc only), because each arena keeps its peak memory."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 1)


@as_command
def main(argv: list[str] | None) -> int:
    """Serves until interrupted; exit status 2 if the weights or the address cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model",
        action="append",
        help="model folder or Hugging Face hub id (default: the shipped weights); repeat it to offer several models",
    )
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean: JSON, or one label a line")
    parser.add_argument("--device", default="cpu", help="torch device, e.g. cuda (default: cpu)")
    parser.add_argument(
        "--dtype",
        action="append",
        help="float32, bfloat16, int8 or auto (default: float32); repeat it to give each --model its own",
    )
    parser.add_argument("--share", action="store_true", help="create a public link (like GRADIO_SHARE=true)")
    arguments = parser.parse_args(argv)
    models, dtypes = arguments.model or [None], arguments.dtype or ["float32"]
    if len(dtypes) not in (1, len(models)):
        wanted = f"expected one --dtype, or one for each of {len(models)} --model"
        parser.error(f"{wanted}, got {len(dtypes)}; leave some out")
    if arguments.labels and len(models) > 1:
        parser.error(f"expected one --model with --labels, got {len(models)}; start an app for each")
    share_memory()
    with waiting_page() as (name, port):
        os.environ.pop("GRADIO_SERVER_NAME", None)  # Gradio reads it as an IPv4 address when it looks for a free port

        def build() -> gr.Blocks:
            # These imports take seconds.
            from demo.app import build_demo
            from engine import load_engine

            each = zip(models, dtypes * (len(models) // len(dtypes)), strict=True)
            return build_demo(*(load_engine(model, dtype, arguments.device, arguments.labels) for model, dtype in each))

        demo = in_thread_that_ends(build)
        from demo.page.theme import LAUNCH
    demo.launch(share=arguments.share or None, server_name=name, server_port=port, **LAUNCH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
