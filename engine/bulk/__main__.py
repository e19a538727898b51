"""``python -m engine.bulk``; see `engine.bulk.command`."""

import sys

from engine.bulk.command import main

if __name__ == "__main__":
    sys.exit(main())
