"""What the processes of test_blob_processes do; run as `python blob_processes.py ROLE FOLDER …`."""

import os
import signal
import sys
import time
from datetime import UTC, datetime

from upshot._blob import read_blob, write_blob
from upshot.exceptions import BlobMissing
from upshot.filesystems import LocalFileSystem
from upshot.serializers import PickleSerializer

SECONDS = 1.5  # for which a writer writes
STOP = "stop"  # a file that ends the readers


def value_of(writer: int, size: int) -> tuple[int, bytes]:
    return writer, bytes([writer]) * size


def write(folder: str, writer: str) -> None:
    """Write one's own values to the one key, small ones and large ones."""
    storage, serializer = LocalFileSystem(basepath=folder), PickleSerializer()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for size in (10, 300_000):
            value = value_of(int(writer), size)
            write_blob(storage, "key", serializer, value, created=datetime.now(UTC))


def read(folder: str) -> None:
    """Read the one key until told to stop; print how often, and fail for any other error."""
    storage = LocalFileSystem(basepath=folder)
    seen = 0
    while not os.path.exists(os.path.join(folder, STOP)):
        try:
            writer, content = read_blob(storage, "key")
        except BlobMissing:
            assert not seen, "it was there before"
            continue
        assert (writer, content) == value_of(writer, len(content))
        assert len(content) in (10, 300_000)
        seen += 1
    print(seen)


def die(folder: str, written: str) -> None:
    """Be killed in the middle of writing to the key."""
    with LocalFileSystem(basepath=folder).writing("key") as file:
        file.write(bytes(int(written)))
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
