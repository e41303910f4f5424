"""On what kind of file system a path lies (Linux)."""

from __future__ import annotations

import re
from pathlib import Path

_NETWORK = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.beegfs", "fuse.blobfuse"),
        *("fuse.blobfuse2", "fuse.ceph", "fuse.ceph-fuse", "fuse.curlftpfs", "fuse.gcsfuse"),
        *("fuse.glusterfs", "fuse.goofys", "fuse.mount-s3", "fuse.rclone", "fuse.s3fs"),
        *("fuse.smbnetfs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("orangefs", "smb2", "smb3", "smbfs"),
    }
)
_ESCAPE = re.compile(r"\\([0-7]{3})")


def file_system_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that holds a path; None if no mount does.

    Args:
        path: a path without links.
        mounts: what `/proc/self/mountinfo` says; of mounts at one place the last one counts.
    """
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after.split():
            continue
        point = Path(_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (found is None or depth >= found[0]):
            found = (depth, after.split()[0])
    return None if found is None else found[1]


def is_network(kind: str) -> bool:
    """Whether other machines may have a file system of this type mounted, too."""
    return kind.lower() in _NETWORK
