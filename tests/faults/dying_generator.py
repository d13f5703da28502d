"""A generator that kills itself at a call of its store: `python -m tests.faults.dying_generator WHEN JOURNAL`.

WHEN is `before-manifest` (the blobs are stored), `after-manifest` (nothing is announced) or `never`. Every process
appends a line to JOURNAL per manifest that it writes.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from bannerstream.contracts.manifest import Manifest
from bannerstream.generator.assembly import build_pipeline
from bannerstream.generator.main import serve
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.worker.worker import GeneratorWorker
from bannerstream.service.logs import configure_logging
from bannerstream.settings import load_settings
from bannerstream.storage import S3BannerStore

DIES_AT = 2
"""Number of the manifest at which it dies: the one before shows that it was working."""


class DeadlyStore:
    """The real store, except for the call that kills the process."""

    def __init__(self, store: S3BannerStore, when: str, journal: Path) -> None:
        self._store = store
        self._when = when
        self._journal = journal
        self._manifests = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put_manifest(self, manifest: Manifest) -> str:
        self._manifests += 1
        self._die_if("before-manifest")
        key = self._store.put_manifest(manifest)
        with self._journal.open("a") as journal:
            journal.write(f"{manifest.banner_key}\n")
        self._die_if("after-manifest")
        return key

    def _die_if(self, here: str) -> None:
        if self._when == here and self._manifests == DIES_AT:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    store = DeadlyStore(S3BannerStore(settings.storage), sys.argv[1], Path(sys.argv[2]))
    worker = GeneratorWorker(settings, build_pipeline(settings.generator, store), GeneratorMetrics(CollectorRegistry()))
    asyncio.run(serve(worker))
