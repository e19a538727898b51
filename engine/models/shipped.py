"""The weights that come with the project, by short name."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel holds the weights inside the package, a checkout beside it.
_WEIGHTS = (_PACKAGE if (_PACKAGE / "weights").is_dir() else _PACKAGE.parent) / "weights"
DEFAULT = "chemicals-diseases"
SHIPPED = {DEFAULT: _WEIGHTS / "minilm-l6-bc5cdr", "six": _WEIGHTS / "minilm-l6-six"}

# What options for a model say of it.
MODEL_HELP = f"folder, hub id, or shipped weights ({', '.join(SHIPPED)}); default: {DEFAULT}"


def short_name(source: str) -> str:
    """The short name of the shipped weights in this folder; of any other folder or hub id, itself."""
    return next((name for name, folder in SHIPPED.items() if str(folder) == source), source)
