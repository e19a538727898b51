"""Requests of a hostile client: as large as allowed, larger than allowed, and malformed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import cycle

import httpx

from demo.common.limits import MAX_CHARACTERS, MAX_COMPARED, MAX_TRACED
from tests.demo.serving import ask, upload

TEXT = "Cisplatin caused nausea, tremor and hypotension in mice. "
Attack = Callable[[httpx.Client, str], None]


def _text(characters: int) -> str:
    return (TEXT * (characters // len(TEXT) + 1))[:characters]


def _refused(client: httpx.Client, url: str, name: str, body: object) -> None:
    """Sends a request that must be refused: with a 4xx, or with 503 if the queue is full."""
    reply = client.post(f"{url}gradio_api/call/v2/{name}", content=json.dumps(body))
    if reply.status_code < 400 or reply.status_code == 500:
        raise AssertionError(f"expected a refusal of {name} with {str(body)[:60]}, got {reply.status_code}")


def _left_alone(client: httpx.Client, url: str) -> None:
    """Asks for a lot and does not wait for the answer."""
    client.post(f"{url}gradio_api/call/v2/tag", json={"text": _text(MAX_CHARACTERS), "strategy": "dense"})


def _file(client: httpx.Client, url: str) -> None:
    """Uploads a small file with a huge document, which the server reads only when Batch runs."""
    passages = "".join(f"<passage><offset>{n}000000</offset><text>x</text></passage>" for n in range(80))
    upload(client, url, "wide.xml", f"<collection><document><id>1</id>{passages}</document></collection>".encode())


ATTACKS: tuple[Attack, ...] = (
    lambda client, url: ask(client, url, "tag", text=_text(MAX_CHARACTERS), strategy="dense"),
    lambda client, url: ask(client, url, "compare", text=_text(MAX_COMPARED // 4), strategies="rule,entropy,mlp"),
    lambda client, url: ask(client, url, "tag", text=_text(MAX_TRACED), strategy="entropy", trace=True),
    lambda client, url: ask(client, url, "tag", text="a " * (MAX_CHARACTERS // 2), strategy="entropy"),
    lambda client, url: ask(
        client, url, "compare", text=TEXT, strategies="rule,entropy,mlp,truncate-2,truncate-3,rule+recovery"
    ),
    lambda client, url: _refused(client, url, "tag", {}),
    lambda client, url: _refused(client, url, "tag", {"text": TEXT, "x": 1}),
    lambda client, url: _refused(client, url, "tag", [[[[[TEXT]]]]]),
    lambda client, url: _refused(client, url, "../../etc/passwd", {"text": TEXT}),
    _left_alone,
    _file,
)


def attacks(seed: int) -> Iterator[Attack]:
    """Yields all attacks again and again, in a different order for each seed."""
    order = list(ATTACKS)
    random.Random(seed).shuffle(order)
    return cycle(order)
