"""The worker's identity among the workers on this machine; it survives a restart.

A killed worker with its own name (a static member, KIP-345) gets its partitions back immediately when it returns,
instead of after the session timeout. Two workers with one name would evict each other, so the name belongs to a slot of
the data folder, which only one running process can hold.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bannerstream.contracts.errors import ConfigurationError

MAX_SLOTS = 64
"""Workers that can share one data folder: more than any machine has cores for."""

_HELD = "held"
"""A file in a slot's folder that exists from its claim until its worker ends cleanly."""


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """A worker's name in its group, and the folder that it owns while it runs."""

    name: str
    folder: Path


@contextmanager
def claim_identity(data_dir: Path) -> Iterator[WorkerIdentity]:
    """Hold a free slot of `data_dir`; the system releases it when the process ends for any reason.

    A slot whose worker did not end cleanly comes first: the group still waits for its name.

    Raises:
        ConfigurationError: the folder is not writable, or all slots are taken.
    """
    try:
        lock, identity = _claim(data_dir)
    except OSError as error:
        raise ConfigurationError(
            f"streams.data_dir = {str(data_dir)!r} cannot be used: {error.strerror}; set a writable folder"
        ) from error
    try:
        yield identity
        (identity.folder / _HELD).unlink(missing_ok=True)
    finally:
        os.close(lock)


def _claim(data_dir: Path) -> tuple[int, WorkerIdentity]:
    """Return the locked file of the claimed slot, and the identity."""
    data_dir.mkdir(parents=True, exist_ok=True)
    chosen: tuple[int, Path] | None = None  # the first free slot, or one whose worker did not end cleanly
    for slot in range(MAX_SLOTS):
        folder = data_dir / f"worker-{slot}"
        if chosen is not None and not folder.exists():
            break
        lock = _lock(folder)
        if lock is None:
            continue
        if (folder / _HELD).exists():
            if chosen is not None:
                os.close(chosen[0])
            chosen = lock, folder
            break
        if chosen is None:
            chosen = lock, folder
        else:
            os.close(lock)
    if chosen is None:
        raise ConfigurationError(
            f"streams.data_dir = {str(data_dir)!r} has {MAX_SLOTS} workers already; set another folder for this one"
        )
    lock, folder = chosen
    (folder / _HELD).touch()
    return lock, WorkerIdentity(_name(lock), folder)


def _lock(folder: Path) -> int | None:
    """Return the slot's file, locked, or None if a running process holds it."""
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / "name", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _name(lock: int) -> str:
    """Return the name in the slot's file; create one for a new slot."""
    name = os.read(lock, 100).decode(errors="replace").strip()
    if not name:
        name = f"worker-{uuid.uuid4()}"
        os.write(lock, name.encode())
    return name
