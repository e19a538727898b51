"""A page served while libraries and weights load, until the app replaces it.

This module imports only what is fast to import.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from engine.errors import InputError

LOCAL = "127.0.0.1"
FIRST_PORT, PORTS = 7860, 100  # as Gradio tries them
PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Loading the weights</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="3"></noscript>
<body style="font-family: system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem">
<h1>Loading the weights\xe2\x80\xa6</h1><p role="status">The app will appear here as soon as they are loaded.</p>
<script>
setInterval(() => fetch("", {method: "HEAD"}).then(answer => answer.ok && location.reload(), () => {}), 1000);
</script></body></html>
"""


class _Server(ThreadingHTTPServer):
    def __init__(self, family: socket.AddressFamily, address: str, port: int) -> None:
        self.address_family = family
        super().__init__((address, port), _Waiting)


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


def server_name() -> str:
    """``$GRADIO_SERVER_NAME``, with IPv6 addresses in brackets; if empty or unset, only this machine."""
    name = os.environ.get("GRADIO_SERVER_NAME", "").strip("[]") or LOCAL
    return f"[{name}]" if ":" in name else name


def resolve(name: str) -> tuple[socket.AddressFamily, str]:
    """A server name's address family and address, IPv4 if possible.

    Raises:
        InputError: the name has no address on this machine.
    """
    try:
        family, *_, (address, *_) = min(socket.getaddrinfo(name.strip("[]"), None, type=socket.SOCK_STREAM))
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"expected GRADIO_SERVER_NAME as a name or an address of this machine, got {name!r}; change or unset it"
        ) from error
    return family, str(address)


def free_port(host: str, family: socket.AddressFamily = socket.AF_INET) -> int:
    """The port that Gradio would choose: ``$GRADIO_SERVER_PORT``, or the first free one from 7860.

    Args:
        host: an address of this machine.
        family: its address family.

    Raises:
        InputError: no port is free, or the variable is not a port.
    """
    if port := os.environ.get("GRADIO_SERVER_PORT"):
        if not (port.isdecimal() and 0 < int(port) < 2**16):
            raise InputError(f"expected GRADIO_SERVER_PORT from 1 to {2**16 - 1}, got {port!r}; change or unset it")
        return int(port)
    for candidate in range(FIRST_PORT, FIRST_PORT + PORTS):
        # Gradio wants it free on 127.0.0.1 too.
        if all(_is_free(at, candidate) for at in {(family, host), (socket.AF_INET, LOCAL)}):
            return candidate
    raise InputError(
        f"expected a free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}, got none; stop one of the apps"
    )


def _is_free(at: tuple[socket.AddressFamily, str], port: int) -> bool:
    family, host = at
    with socket.socket(family) as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return True
    return False


@contextmanager
def waiting_page() -> Iterator[tuple[str, int]]:
    """Serves the page until the block ends; gives its `server_name` and port, which the app can then use.

    Raises:
        InputError: the server name is not of this machine, the port is in use, or none is free.
    """
    name = server_name()
    family, address = resolve(name)
    port = free_port(address, family)
    try:
        server = _Server(family, address, port)
    except OSError as error:
        raise InputError(
            f"expected a free port, got {port}, which is in use or not allowed ({error.strerror}); "
            "set GRADIO_SERVER_PORT to another"
        ) from error
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield name, port
        finally:
            server.shutdown()
            thread.join()
