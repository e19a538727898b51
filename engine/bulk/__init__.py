"""Tags many files, on one machine or a cluster; the command may be killed and restarted."""

from engine.bulk.command import main

__all__ = ["main"]
