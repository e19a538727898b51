"""Starts the demo: loads the weights once, builds the page, serves it."""

from __future__ import annotations

import argparse
import os
import sys

# Gradio reads it when it is imported; nothing is reported to anybody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from demo.blocks import build_demo
from demo.theme import LAUNCH
from engine import InputError, load_engine
from engine.tagger import DTYPES


def main() -> int:
    """Serves until interrupted; the exit status is 2 if the weights are not usable."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="model folder or Hugging Face hub id (default: the shipped weights)")
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: cpu)")
    parser.add_argument("--dtype", default="float32", choices=DTYPES, help="default: float32")
    parser.add_argument("--share", action="store_true", help="make a public link (as does GRADIO_SHARE=true)")
    arguments = parser.parse_args()
    try:
        engine = load_engine(arguments.model, arguments.dtype, arguments.device)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    build_demo(engine).launch(share=arguments.share or None, **LAUNCH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
