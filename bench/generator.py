"""Pictures per second of the painter beside plain diffusers, and of the whole worker beside the painter.

Random weights in the published architectures (`bench.arena.architectures`): the cost is that of the real model, the
pictures are noise. `painter` paints through `generator.diffusion`, `diffusers` as its documentation shows it; both in
one run with the same weights. `size` is the banner's, `painted` that of the model's picture: the painter cuts banners
wider than 2:1 from a picture of 2:1, because models are trained on squares; for these the two systems do not paint the
same area.

`worker` takes requests from a real broker and stores banners in every size in a real store; `painter-alone` paints the
same pictures in batches of the same size and does nothing else. Their ratio shows the overhead of the worker. Without a
GPU the architecture is `reduced`, and worker and model share the cores.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

if __name__ == "__main__":  # `python bench/generator.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bannerstream.contracts.sizes import BannerSize
from bannerstream.devservers.stack import why_unavailable
from bench.arena import architectures, painting
from bench.arena.environments import CACHE
from bench.arena.painting import Model
from bench.arena.stage import Report, numbers, parser, print_progress, reporting
from bench.arena.whole_worker import painter_alone, worker_rate

_CAP = 1_000_000
_SYSTEMS = {"painter": painting.painter, "diffusers": painting.plain}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = _options(arguments)
    _quiet()
    report = reporting(options.out)
    report({"bench": "generator", "device": _device_name(options.device), **_versions()})
    CACHE.mkdir(parents=True, exist_ok=True)
    for architecture in options.architectures:
        with _saved(architecture, options.device) as (folder, taesd):
            for decoder, compiled in product(options.decoders, options.compiled):
                model = Model(folder, taesd if decoder == "taesd" else None, compiled == "compiled", options.device)
                _measure_painters(model, {"architecture": architecture, "decoder": decoder}, options, report)
            if options.banners:
                model = Model(folder, taesd, compiled=False, device=options.device)
                _measure_worker(model, {"architecture": architecture, "decoder": "taesd"}, options, report)


def _measure_painters(model: Model, facts: dict[str, object], options: argparse.Namespace, report: Report) -> None:
    for system, load in _SYSTEMS.items():
        print_progress(f"{facts['architecture']}, {facts['decoder']}, {system}{', compiled' if model.compiled else ''}")
        loaded = load(model)
        for size, batch in product(options.sizes, options.batches):
            seconds = painting.latency_s(
                lambda paint=loaded.paint, size=size, batch=batch: paint(batch, size),
                options.rounds,
                warm_ups=3 if model.compiled else 1,
            )
            report(
                {
                    "bench": "generator",
                    "system": system,
                    **facts,
                    "size": size.name,
                    "painted": loaded.shape(size),
                    "batch": batch,
                    "compiled": model.compiled,
                    "images_per_s": round(batch / seconds, 3),
                    "latency_ms": round(seconds * 1000, 2),
                }
            )
        del loaded


def _measure_worker(model: Model, facts: dict[str, object], options: argparse.Namespace, report: Report) -> None:
    print_progress(f"{facts['architecture']}, the whole worker on {options.banners} banners")
    for number in range(1, options.rounds + 1):
        alone = painter_alone(model, options.banners)
        whole = asyncio.run(worker_rate(model, options.banners, kafka=options.kafka, s3=options.s3))
        common = {"bench": "generator", **facts, "banners": options.banners, "round": number}
        report({**common, "system": "painter-alone", "images_per_s": round(alone, 3)})
        report({**common, "system": "worker", "images_per_s": round(whole, 3), "of_painter": round(whole / alone, 3)})


@contextmanager
def _saved(architecture: str, device: str) -> Iterator[tuple[Path, Path]]:
    """Save a pipeline and a tiny VAE, and yield their folders; they are removed after the block."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{architecture}-") as scratch:
        folder = Path(scratch)
        print_progress(f"{architecture}: random weights")
        yield (
            architectures.save(architecture, folder / architecture, device=device),
            architectures.save_taesd(folder / "taesd"),
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    import torch  # noqa: PLC0415

    gpu = torch.cuda.is_available()
    options_parser = parser("generator", __doc__ or "")
    options_parser.add_argument("--device", default="cuda" if gpu else "cpu")
    options_parser.add_argument(
        "--architectures", type=_names, default=["sd-turbo", "sdxl-turbo"] if gpu else ["reduced"]
    )
    options_parser.add_argument("--decoders", type=_names, default=["taesd", "vae"])
    options_parser.add_argument("--compiled", type=_names, default=["eager", "compiled"] if gpu else ["eager"])
    options_parser.add_argument(
        "--sizes", type=_sizes, default=_sizes("512x512,1024x256" if gpu else "256x256,512x128")
    )
    options_parser.add_argument("--batches", type=numbers, default=(1, 2, 4, 8, 16))
    options_parser.add_argument(
        "--banners", type=int, default=2_000 if gpu else 8, help="banners for the whole worker; 0 skips it"
    )
    options_parser.add_argument("--kafka", choices=("apache", "embedded"), default="apache", help="the worker's broker")
    options_parser.add_argument(
        "--s3", choices=("minio", "versitygw", "embedded"), default="minio", help="the worker's store"
    )
    options = options_parser.parse_args(arguments)
    if options.banners and (missing := why_unavailable(options.kafka, options.s3)) is not None:
        options_parser.error(
            f"{missing}; or measure with --kafka embedded --s3 embedded, or without the worker: --banners 0"
        )
    if options.quick:
        options.decoders, options.batches, options.rounds = ["taesd"], (1, 2), 1
        options.banners = min(options.banners, 2)
    return options


def _names(text: str) -> list[str]:
    return text.split(",")


def _sizes(text: str) -> list[BannerSize]:
    return [BannerSize(int(width), int(height), _CAP) for width, height in (part.split("x") for part in _names(text))]


def _quiet() -> None:
    """Disable the libraries' progress bars and hints."""
    import diffusers  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def _device_name(device: str) -> str:
    import torch  # noqa: PLC0415

    return (
        torch.cuda.get_device_name(device) if device.startswith("cuda") else f"cpu, {torch.get_num_threads()} threads"
    )


def _versions() -> dict[str, object]:
    import diffusers  # noqa: PLC0415
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    return {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "steps": painting.STEPS,
    }


if __name__ == "__main__":
    main()
