"""Whether a folder may hold the store: one machine's own disk, and writable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from crossfade.errors import RefusedError

NETWORKED = frozenset(
    (
        "nfs",
        "nfs4",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "cifs",
        "9p",
        "afs",
        "afpfs",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ocfs2",
        "gfs2",
        "davfs",
        "fuse.sshfs",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.davfs",
        "fuse.goofys",
        "fuse.mount-s3",
        "ncpfs",
        "coda",
        "orangefs",
        "webdav",
    )
)
"""File systems whose locks or whose shared memory SQLite's WAL cannot trust."""

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))

MOUNTS = Path("/proc/mounts")


def prepare(folder: Path, *, mounts: Path = MOUNTS) -> None:
    """
    Makes the folder and proves it can be written; one in use may be full.

    Raises `RefusedError` CF5001 on a network file system, CF5002 where nothing can be written.
    """
    kind = file_system(folder, mounts=mounts)
    if kind in NETWORKED:
        raise RefusedError(
            "CF5001",
            f"{folder} is on a network file system ({kind})",
            "the journal is a SQLite file, and over a network its locks do not keep two controllers apart",
            "put `state:` on a local disk",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _probe(folder)
    except OSError as error:
        # What has begun can still be looked at, and sent back, on a full disk.
        if error.errno in FULL and any(folder.iterdir()):
            return
        raise _unwritable(folder, error) from error


def prove_writable(folder: Path) -> None:
    """Before anything is begun: raises `RefusedError` CF5002 where not a byte can be written."""
    try:
        _probe(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _probe(folder: Path) -> None:
    probe = folder / f".write-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
    finally:
        probe.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> RefusedError:
    return RefusedError(
        "CF5002",
        f"{folder} cannot be written",
        f"{error.strerror or error}; without a journal no effect is allowed (R34)",
        "free space or mend the permissions, or set `state:` to another folder",
    )


def file_system(folder: Path, *, mounts: Path = MOUNTS) -> str | None:
    """The type of the mount that holds this path; None where the system does not say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    there = Path(os.path.realpath(folder))
    best, kind = -1, None
    for line in lines:
        parts = line.split()
        if len(parts) < 3:
            continue
        # The kernel writes blanks in paths as octal escapes.
        point = Path(parts[1].encode().decode("unicode_escape"))
        # Later mounts on one point hide earlier ones.
        if there.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), parts[2]
    return kind
