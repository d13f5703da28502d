"""Programs that `go install` builds once, into a cache by name and version, where they are not on PATH."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bannerstream.devservers.build_step import cache_folder, one_at_a_time, run_to_its_end
from bannerstream.devservers.errors import ServerFailed, ServerMissing
from bannerstream.devservers.server import Progress

_BUILD_TIMEOUT_S = 900  # MinIO takes about 150 s on two cores


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program by its module path and version."""

    name: str
    package: str
    version: str
    takes: str
    """How long a build takes, for the person who waits."""

    def why_unavailable(self) -> str | None:
        """Return what is missing, or None: then it is installed, or can be built."""
        if self._found() is not None or shutil.which("go") is not None:
            return None
        return f"{self.name} is not installed, and neither is Go, which builds it: apt-get install golang-go"

    def program(self, on_progress: Progress) -> Path:
        """Return the binary, built now if it has to be."""
        if (found := self._found()) is not None:
            return found
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        built = self._built()
        with one_at_a_time(built.parent.name):
            if built.is_file():  # another process built it meanwhile
                return built
            on_progress(f"building {self.name} with Go, once ({self.takes})")
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                run_to_its_end(
                    ["go", "install", f"{self.package}@{self.version}"],
                    f"Go could not build {self.name}",
                    timeout_s=_BUILD_TIMEOUT_S,
                    environment={"GOBIN": scratch},
                )
                # Go names a program for its folder, which may be as general as "server".
                programs = list(Path(scratch).iterdir())
                if len(programs) != 1:
                    raise ServerFailed(f"Go built {len(programs)} programs, not {self.name} alone: {self.package}")
                built.parent.mkdir(exist_ok=True)
                programs[0].replace(built)
        return built

    def _found(self) -> Path | None:
        """Return the program that is on PATH, whichever version that is; else the one that was built here."""
        if (on_path := shutil.which(self.name)) is not None:
            return Path(on_path)
        return self._built() if self._built().is_file() else None

    def _built(self) -> Path:
        """Return where a build of exactly this version is or will be."""
        return cache_folder() / f"{self.name}-{self.version}" / self.name
