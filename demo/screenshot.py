"""Renamed: ``python -m demo.tools.screenshot``."""

raise SystemExit("python -m demo.screenshot is now python -m demo.tools.screenshot")
