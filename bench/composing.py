"""Duration of the stages of a banner: `python -m bench composing [--banners 16] [--rounds 3]`.

Makes the first banners of the example catalogue, each product for its first cohort, in every size, without a store and
in one thread. Prints one JSON line per stage: milliseconds per banner, the medians over rounds; `all` is the whole
of `Composer.compose_all`. An uncounted round comes first: fonts and text lines are then cached, as in a worker that has
been running for a while. CPU time is that of all threads.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, TypeVar

if __name__ == "__main__":  # `python bench/composing.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerRequest
from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator import layout
from bannerstream.generator.copywriting import TemplateCopyWriter
from bannerstream.generator.describers.lexicon import LexiconDescriber
from bannerstream.generator.gates.judge import GateJudge
from bannerstream.generator.pipeline.composer import Composer, Job
from bannerstream.generator.pipeline.encoder import encode
from bannerstream.generator.pipeline.ports import ComposedBanner, Composition, Painting, ProductImage
from bannerstream.generator.studio import StudioPainter
from bannerstream.storage.image_ingest import ingest
from bannerstream.storage.pictures import decode_picture
from bench.arena.stage import parser, reporting

Result = TypeVar("Result")


class Inline(Executor):
    """Runs the work in the calling thread."""

    def map(
        self, fn: Callable[..., Result], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Result]:
        """Return the results of `fn`, lazily."""
        del timeout, chunksize
        return map(fn, *iterables)


class Clock:
    """CPU and wall seconds by stage."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time inside the `with` block to a stage."""
        cpu, wall = process_time(), perf_counter()
        try:
            yield
        finally:
            self.cpu[name] = self.cpu.get(name, 0.0) + process_time() - cpu
            self.wall[name] = self.wall.get(name, 0.0) + perf_counter() - wall

    def timed(self, name: str, work: Callable[..., Result], *args: Any, **options: Any) -> Result:
        """Return the result of `work`, and add its time to a stage."""
        with self.stage(name):
            return work(*args, **options)


class ClockedPorts:
    """The studio, the layout and the judge, with their time measured."""

    def __init__(self, clock: Clock) -> None:
        self.paint = partial(clock.timed, "paint", StudioPainter().paint)
        self.judge = partial(clock.timed, "judge", GateJudge().judge)
        self._clock = clock

    def plan(self, size: BannerSize, **options: Any) -> Composition:
        """Call `layout.plan`."""
        return self._clock.timed("plan", layout.plan, size, **options)

    def lay_out(self, painting: Painting, *args: Any, **options: Any) -> ComposedBanner:
        """Call `layout.lay_out`."""
        return self._clock.timed("lay_out", layout.lay_out, painting, *args, **options)


def composer(clock: Clock) -> Composer:
    """Return a composer with the standard ports, with their time measured."""
    ports = ClockedPorts(clock)
    return Composer(
        describer=LexiconDescriber(),
        fallback_describer=LexiconDescriber(),
        copy_writer=TemplateCopyWriter(),
        painter=ports,
        fallback_painter=None,
        layout=ports,
        judge=ports,
        encoder=partial(clock.timed, "encode", encode),
        executor=Inline(),
    )


def example_jobs(count: int) -> list[Job]:
    """Return the jobs for the first products of the example catalogue."""
    catalogue = read_catalogue(CATALOGUE)
    cohorts = {cohort.cohort_id: with_rev(cohort) for cohort in catalogue.cohorts}
    jobs = []
    for product in catalogue.products[:count]:
        picture = catalogue.images.get(product.product_id)
        image = None
        if picture is not None:
            ingested = ingest(picture.read_bytes())
            image = ProductImage(decode_picture(ingested.png)[0], ingested.cut_out)
        jobs.append(Job(_request(with_rev(product), cohorts[next(iter(product.cohorts))]), image))
    return jobs


def _request(product: Product, cohort: Cohort) -> BannerRequest:
    revision = "bench"
    key = banner_key(product, cohort, locale=product.locale, variant="a", creative_revision=revision)
    return BannerRequest(
        banner_key=key,
        product=product,
        cohort=cohort,
        locale=product.locale,
        variant="a",
        creative_revision=revision,
        requested_at=1,
        event_appended_at=1,
    )


def measure(jobs: Sequence[Job]) -> Clock:
    """Return the time that making these banners takes.

    Raises:
        RuntimeError: a banner could not be made, so the time would be meaningless.
    """
    clock = Clock()
    with clock.stage("all"):
        outcomes = composer(clock).compose_all(jobs)
    failed = [repr(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(jobs)} banners could not be made: {failed[0]}")
    return clock


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options_parser = parser("composing", __doc__ or "")
    options_parser.add_argument("--banners", type=int, default=16, help="number of products (default 16)")
    options = options_parser.parse_args(arguments)
    if options.quick:
        options.banners, options.rounds = 2, 1
    report = reporting(options.out)
    jobs = example_jobs(options.banners)
    _, *rounds = [measure(jobs) for _ in range(options.rounds + 1)]
    for stage in rounds[0].cpu:
        cpu, wall = (
            median(times[stage] for times in times_of_rounds) * 1000 / len(jobs)
            for times_of_rounds in ([clock.cpu for clock in rounds], [clock.wall for clock in rounds])
        )
        common = {"bench": "composing", "stage": stage, "banners": len(jobs), "sizes": len(SIZES)}
        report({**common, "cpu_ms": round(cpu, 1), "wall_ms": round(wall, 1)})


if __name__ == "__main__":
    main()
