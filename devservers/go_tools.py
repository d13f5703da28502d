"""Programs that `go install` builds once: found on PATH or where Go puts them, built when they are nowhere."""

import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bannerstream.devservers.build_step import run_to_its_end
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
        on_progress(f"building {self.name} with Go, once ({self.takes})")
        folder = Path(_go_bin())
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            run_to_its_end(
                ["go", "install", f"{self.package}@{self.version}"],
                f"Go could not build {self.name}",
                timeout_s=_BUILD_TIMEOUT_S,
                environment={"GOBIN": scratch},
            )
            for built in Path(scratch).iterdir():
                # Go names a program for its folder, which may be as general as "server".
                built.replace(folder / self.name)
        found = self._found()
        if found is None:
            raise ServerFailed(f"Go built {self.name}, and it is not there: {folder}")
        return found

    def _found(self) -> Path | None:
        on_path = shutil.which(self.name)
        installed = shutil.which(self.name, path=_go_bin()) if on_path is None else on_path
        return Path(installed) if installed else None


@functools.cache
def _go_bin() -> str:
    """Return where `go install` puts programs; Go's default where Go itself is gone."""
    if shutil.which("go") is None:
        return str(Path.home() / "go" / "bin")
    told = subprocess.run(["go", "env", "GOBIN", "GOPATH"], capture_output=True, text=True, check=False).stdout
    gobin, gopath = [*told.splitlines(), "", ""][:2]
    return gobin or str(Path(gopath.split(":")[0]) / "bin")
