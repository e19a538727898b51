"""Gone: ``engine.training.calibrate`` chooses recovery, too."""

import sys

from engine.command import as_command
from engine.errors import InputError


@as_command
def main(argv: list[str] | None) -> int:
    """Names what replaces the command."""
    raise InputError(
        "expected a command that exists, got engine.training.recovery; use python -m engine.training.calibrate "
        "--strategies entropy+recovery"
    )


if __name__ == "__main__":
    sys.exit(main())
