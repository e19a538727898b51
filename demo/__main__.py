"""Starts the demo: loads the weights once, builds the page and serves it."""

import ctypes
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from engine.cli.command import as_command, new_parser
from engine.errors import InputError, extra

if TYPE_CHECKING:
    import gradio as gr

LOCAL = "127.0.0.1"
M_ARENA_MAX = -8  # from glibc's malloc.h
# Gradio reads this when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def share_memory() -> None:
    """Makes all threads share one malloc arena, because each arena keeps its peak memory; needs glibc."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 1)


def server_address() -> tuple[str, int | None]:
    """The name in ``$GRADIO_SERVER_NAME`` (default: only this machine) and the port (None: any free one).

    Raises:
        InputError: if the app cannot listen there.
    """
    # Removed, because Gradio reads it as an IPv4 address when it looks for a free port.
    name = os.environ.pop("GRADIO_SERVER_NAME", "").strip("[]") or LOCAL
    port = os.environ.get("GRADIO_SERVER_PORT")
    try:
        if port and not 0 < int(port) < 2**16:
            raise ValueError(f"a port is from 1 to {2**16 - 1}")
        family, *_, address = min(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        socket.create_server(address, family=family).close()
    except (OSError, ValueError) as error:
        where = f"GRADIO_SERVER_NAME is {name!r}" + f", and GRADIO_SERVER_PORT is {port!r}" * bool(port)
        raise InputError(f"{where}; the app cannot listen there ({error}). Change or unset it.") from error
    return f"[{name}]" if ":" in name else name, int(port) if port else None


@as_command
def main(argv: list[str] | None) -> int:
    """Serves until interrupted; exit status 2 if the weights or the address cannot be used."""
    parser = new_parser("demo", __doc__)
    parser.add_argument(
        "--model", help="folder, hub id, or shipped weights (chemicals-diseases, six); default: both, a page each"
    )
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean, one a line")
    parser.add_argument("--device", default="cpu", help="torch device, e.g. cuda (default: cpu)")
    parser.add_argument(
        "--dtype",
        default="auto",
        help="float32, bfloat16, int8 or auto: int8 on a CPU if it was found to agree with float32 (default: auto)",
    )
    parser.add_argument("--share", action="store_true", help="create a public link (like GRADIO_SHARE=true)")
    arguments = parser.parse_args(argv)
    share_memory()
    name, port = server_address()

    def build() -> "gr.Blocks":
        from demo.app import build_demo
        from engine import load_engine
        from engine.models.shipped import SHIPPED

        models = [arguments.model] if arguments.model else SHIPPED
        load = partial(load_engine, dtype=arguments.dtype, device=arguments.device, labels=arguments.labels)
        return build_demo(*map(load, models))

    with extra("app"), ThreadPoolExecutor(1) as pool:  # OpenMP threads that loading starts end with this thread
        demo = pool.submit(build).result()
        from demo.launch import LAUNCH

    demo.launch(share=arguments.share or None, server_name=name, server_port=port, **LAUNCH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
