"""A page that is served while libraries and weights load, until the app takes its place.

Imports nothing that is slow to import.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from engine.errors import InputError

FIRST_PORT, PORTS = 7860, 100  # those that Gradio tries
PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Loading the weights</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="3"></noscript>
<body style="font-family: system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem">
<h1>Loading the weights\xe2\x80\xa6</h1><p role="status">The app will appear here as soon as they are loaded.</p>
<script>
setInterval(() => fetch("", {method: "HEAD"}).then(answer => answer.ok && location.reload(), () => {}), 1000);
</script></body></html>
"""


class _Waiting(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(503)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.send_header("Retry-After", "3")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def free_port(host: str) -> int:
    """The port that Gradio would choose: ``$GRADIO_SERVER_PORT``, or the first free one from 7860.

    Raises:
        InputError: none is free, or the variable holds none.
    """
    if port := os.environ.get("GRADIO_SERVER_PORT"):
        if not (port.isdecimal() and 0 < int(port) < 2**16):
            raise InputError(f"expected GRADIO_SERVER_PORT from 1 to {2**16 - 1}, got {port!r}; change or unset it")
        return int(port)
    for candidate in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    raise InputError(
        f"expected a free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}, got none; stop one of the apps"
    )


@contextmanager
def waiting_page() -> Iterator[int]:
    """Serves the page until the block ends, and gives its port, which the app can use afterwards.

    Raises:
        InputError: the port is in use, or none is free.
    """
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = free_port(host)
    try:
        server = ThreadingHTTPServer((host, port), _Waiting)
    except OSError as error:
        raise InputError(
            f"expected a free port, got {port}, which is in use or not allowed ({error.strerror}); "
            "set GRADIO_SERVER_PORT to another"
        ) from error
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            server.shutdown()
            thread.join()
