"""Many files, on one machine or on a cluster; the command may be killed and started again."""

from engine.bulk.command import main

__all__ = ["main"]
