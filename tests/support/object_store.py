"""A server that speaks S3, on this machine, in memory."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest


@contextlib.contextmanager
def s3() -> Iterator[dict[str, Any]]:
    """Start the server with a bucket called ``bucket``, and yield what fsspec needs to find it."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    with contextlib.redirect_stdout(io.StringIO()):
        server.start()
    host, port = server.get_host_and_port()
    options = {"key": "nobody", "secret": "knows", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
    try:
        with contextlib.suppress(FileExistsError):  # moto keeps what there was in one process
            fsspec.filesystem("s3", **options).mkdir("bucket")
        yield options
    finally:
        server.stop()
