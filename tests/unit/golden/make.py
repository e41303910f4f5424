"""Writes the golden files of this version: `python -m tests.unit.golden.make`, once a release."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from tests.unit.golden.values import FRAMES, SERIALIZERS, values_of
from upshot import __version__
from upshot._blob import Written, write_blob
from upshot.documents import LiteralResult, PersistedResult, UnpersistedResult
from upshot.filesystems import LocalFileSystem
from upshot.serializers import FramedPickleSerializer, Serializer, framed

BLOCK = UUID("0d9c6f6e-8f1c-5d0b-9c5e-6a1f3b0f7a55")
CREATED = datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def main() -> None:
    folder = Path(__file__).with_name(__version__)
    folder.mkdir()
    storage = LocalFileSystem(basepath=folder)
    lines = []
    for name, serializer in SERIALIZERS.items():
        for kind, value in values_of(name).items():
            key = f"blobs/{name}/{kind}.json"
            written = write_blob(storage, key, serializer, value, created=CREATED)
            lines.append(reference_to(key, serializer, written))
    lines += frames_in(storage)
    lines += [LiteralResult(value=value).model_dump_json() for value in (None, True, False, BLOCK)]
    lines.append(UnpersistedResult().model_dump_json())
    folder.joinpath("references.jsonl").write_text("".join(f"{line}\n" for line in lines))


def frames_in(storage: LocalFileSystem) -> list[str]:
    """The references of the files that are no plain JSON."""
    serializer, lines, least = FramedPickleSerializer(), [], framed.LEAST
    framed.LEAST = 1  # so that small values have frames
    for kind, value in FRAMES.items():
        key = f"frames/{kind}"
        written = write_blob(storage, key, serializer, value, created=CREATED)
        lines.append(reference_to(key, serializer, written))
    framed.LEAST = least
    return lines


def reference_to(key: str, serializer: Serializer, written: Written) -> str:
    return PersistedResult[object](
        serializer_type=serializer.type,
        storage_block_id=BLOCK,
        storage_key=key,
        uri=f"file:///srv/results/{key}",
        size=written.size,
        digest=written.digest,
    ).model_dump_json()


if __name__ == "__main__":
    main()
