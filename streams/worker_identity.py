"""Which of the workers on this machine this one is: the same again after a restart.

A worker with a name of its own (a static member, KIP-345) that was killed gets its partitions back at once when it
comes back, instead of after the session timeout. Two workers under one name would throw each other out, so the name
belongs to a slot of the data folder that only one living process holds.
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
"""Workers that share one data folder: more than any machine has cores for."""

_HELD = "held"
"""A file in a slot's folder from when it is claimed until its worker ends as it should."""


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """A worker's name in its group, and the folder that is its own while it lives."""

    name: str
    folder: Path


@contextmanager
def claim_identity(data_dir: Path) -> Iterator[WorkerIdentity]:
    """Hold a slot of `data_dir` that is free; the system lets go of it when the process ends, however it ends.

    A slot whose worker did not end as it should goes first: the group still waits for that name, and for no other.

    Raises:
        ConfigurationError: the folder cannot be written, or all slots are taken.
    """
    try:
        lock, identity = _claim(data_dir)
    except OSError as error:
        raise ConfigurationError(
            f"streams.data_dir = {str(data_dir)!r} cannot be used: {error.strerror}; name a folder that can be written"
        ) from error
    try:
        yield identity
        (identity.folder / _HELD).unlink(missing_ok=True)
    finally:
        os.close(lock)


def _claim(data_dir: Path) -> tuple[int, WorkerIdentity]:
    """Return the locked file of the slot that is ours now, and whom it makes us."""
    data_dir.mkdir(parents=True, exist_ok=True)
    chosen: tuple[int, Path] | None = None  # the first that is free, or a better one
    for number in range(MAX_SLOTS):
        folder = data_dir / f"worker-{number}"
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
            f"streams.data_dir = {str(data_dir)!r} has {MAX_SLOTS} workers already; give this one another folder"
        )
    lock, folder = chosen
    (folder / _HELD).touch()
    return lock, WorkerIdentity(_name(lock), folder)


def _lock(folder: Path) -> int | None:
    """Return the slot's file, locked, or None if a living process holds it."""
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / "name", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _name(lock: int) -> str:
    """Return the name that the slot's file holds; a new slot is given one."""
    name = os.read(lock, 100).decode(errors="replace").strip()
    if not name:
        name = f"worker-{uuid.uuid4()}"
        os.write(lock, name.encode())
    return name
