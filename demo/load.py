"""Renamed: ``python -m demo.tools.load``."""

raise SystemExit("python -m demo.load is now python -m demo.tools.load")
