"""In each text of "where it goes wrong", the shipped default errs and the full pass does not."""

import pytest

from demo.common.links import FAILURES


@pytest.mark.parametrize(("title", "text"), [(title, text) for title, text, _ in FAILURES])
def test_the_default_errs(shipped, title, text):
    full, own = (
        [(entity.text, entity.type) for entity in shipped.tag(text, name).entities]
        for name in ("dense", "entropy:balanced")
    )
    assert full != own
