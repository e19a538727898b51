"""In each text of "where it goes wrong", the shipped default errs and the full pass does not.

``python -m tests.demo.test_failures`` prints what each finds, after a change of the weights or of what computes.
"""

import pytest

from demo.common.links import FAILURES
from engine import load_engine


def outcome(engine, text):
    """What the full pass and the default strategy find."""
    return [[(one.text, one.type) for one in engine.tag(text, name).entities] for name in ("dense", "entropy:balanced")]


@pytest.mark.parametrize(("title", "text"), [(title, text) for title, text, _ in FAILURES])
def test_the_default_errs(shipped, title, text):
    full, own = outcome(shipped, text)
    assert full != own


if __name__ == "__main__":
    for dtype in ("float32", "int8"):
        engine = load_engine(dtype=dtype)
        for title, text, _ in FAILURES:
            full, own = outcome(engine, text)
            print(f"{dtype}: {title}: {'no longer errs' if full == own else 'errs'}: {full} → {own}")
