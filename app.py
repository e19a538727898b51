"""Starts the demo, as ``bioner app`` and ``python -m demo`` do."""

import sys

from demo.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
