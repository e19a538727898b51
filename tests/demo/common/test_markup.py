"""User text is shown as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from demo.common.markup import alert, escape, note

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


@given(text=any_text)
def test_neither_markup_nor_templates_survive(text: str) -> None:
    escaped = escape(text)
    assert not set("<>\"'${}`\\") & set(escaped)
    escaped.encode()


def test_messages_are_text() -> None:
    for message in (alert("<b>${x}</b>"), note("<b>${x}</b>")):
        assert "<b>" not in message
        assert "${" not in message
