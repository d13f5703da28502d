"""What a check of the bucket finds, and the journal from which an interrupted check goes on."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

from bannerstream.contracts.errors import ConfigurationError

Kind = Literal[
    "manifest_unreadable",
    "blob_missing",
    "blob_spoilt",
    "ready_without_manifest",
    "product_not_shown",
    "picture_missing",
    "picture_spoilt",
]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong in the bucket."""

    kind: Kind
    key: str
    """Object key of what is wrong."""
    banner_key: str | None = None
    """The banner that has to be made again; None for a catalogue's picture."""
    product_id: str | None = None
    revision: int = 1
    """The highest revision under which that banner is stored or announced."""
    variant: str | None = None
    creative_revision: str | None = None
    reason: str


class Checked(Struct, kw_only=True):
    """What was checked and found; counts add up."""

    after: str = ""
    """Every object up to this key is checked."""
    manifests: int = 0
    blobs: int = 0
    pictures: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    finished: bool = False

    def add(self, other: "Checked") -> None:
        """Count what another part of the check did."""
        self.after = max(self.after, other.after)
        self.manifests += other.manifests
        self.blobs += other.blobs
        self.pictures += other.pictures
        self.bytes += other.bytes
        self.findings += other.findings
        self.finished = other.finished


class Journal:
    """A file of JSON lines, one for each part that was checked. Without a path nothing is kept.

    Raises:
        ConfigurationError: the file cannot be read or written, or is not a journal.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> Checked:
        """Return what an interrupted check had done; nothing after a check that finished."""
        done = Checked()
        if self._path is None or not self._path.exists():
            return done
        try:
            *lines, _torn = self._path.read_bytes().split(b"\n")
            for line in lines:
                done.add(msgspec.json.decode(line, type=Checked))
            if not lines:
                raise msgspec.DecodeError("it has no whole line")
            # The last line was being written unless it ended.
            self._path.write_bytes(b"".join(line + b"\n" for line in lines))
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigurationError(
                f"{self._path} is not the journal of an earlier check ({error}); name another file, or remove it"
            ) from error
        if done.finished:
            self._path.unlink()
            return Checked()
        return done

    def write(self, part: Checked) -> None:
        """Keep a part that was checked."""
        if self._path is None:
            return
        try:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(part) + b"\n")
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error}") from error
