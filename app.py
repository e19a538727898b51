"""Starts the demo: loads the weights once, builds the page, serves it; until then a page says that it is loading."""

from __future__ import annotations

import argparse
import os
import sys

from demo.page.waiting import waiting_page

# Gradio reads it when it is imported; nothing is reported to anybody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def main() -> int:
    """Serves until interrupted; the exit status is 2 if the weights are not usable."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="model folder or Hugging Face hub id (default: the shipped weights)")
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: cpu)")
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16 (default: float32)")
    parser.add_argument("--share", action="store_true", help="make a public link (as does GRADIO_SHARE=true)")
    arguments = parser.parse_args()
    with waiting_page() as port:
        # These take seconds to import.
        from demo.app import build_demo
        from demo.page.theme import LAUNCH
        from engine import InputError, load_engine

        try:
            page = build_demo(load_engine(arguments.model, arguments.dtype, arguments.device))
        except InputError as error:
            print(error, file=sys.stderr)
            return 2
    page.launch(share=arguments.share or None, server_port=port, **LAUNCH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
