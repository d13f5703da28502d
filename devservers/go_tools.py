"""Programs that `go install` builds once, into a cache by name and version, where they are not on PATH."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bannerstream.devservers.build_step import cache_folder, cache_lock, run_build_command
from bannerstream.devservers.errors import ServerFailed, ServerMissing
from bannerstream.devservers.server import Progress

_BUILD_TIMEOUT_S = 900  # MinIO takes about 150 s on two cores


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program by its module path and version."""

    name: str
    package: str
    version: str
    build_time: str
    """How long a build takes, for the progress message."""

    def why_unavailable(self) -> str | None:
        """Return what is missing, or None if the program is installed or can be built."""
        if self._found() is not None or shutil.which("go") is not None:
            return None
        return f"{self.name} is not installed, and neither is Go, which builds it: apt-get install golang-go"

    def program(self, on_progress: Progress) -> Path:
        """Return the path of the binary; build it if it is neither on PATH nor in the cache.

        Raises:
            ServerMissing: the program and Go are both missing.
            ServerFailed: the build failed.
        """
        if (found := self._found()) is not None:
            return found
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        built = self._built()
        with cache_lock(built.parent.name):
            if built.is_file():  # another process built it meanwhile
                return built
            on_progress(f"building {self.name} with Go, once ({self.build_time})")
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                run_build_command(
                    ["go", "install", f"{self.package}@{self.version}"],
                    f"Go could not build {self.name}",
                    timeout_s=_BUILD_TIMEOUT_S,
                    environment={"GOBIN": scratch},
                )
                # Go names the binary after its folder, which may be as generic as "server".
                programs = list(Path(scratch).iterdir())
                if len(programs) != 1:
                    raise ServerFailed(f"Go built {len(programs)} programs instead of one: {self.package}")
                built.parent.mkdir(exist_ok=True)
                programs[0].replace(built)
        return built

    def _found(self) -> Path | None:
        """Return the program on PATH, whatever its version; else the one built earlier."""
        if (on_path := shutil.which(self.name)) is not None:
            return Path(on_path)
        return self._built() if self._built().is_file() else None

    def _built(self) -> Path:
        """Return the path in the cache for a build of exactly this version."""
        return cache_folder() / f"{self.name}-{self.version}" / self.name
