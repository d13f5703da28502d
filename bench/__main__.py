"""Runs a benchmark by its name: `python -m bench composing --banners 8`."""

import argparse
from importlib import import_module

BENCHMARKS = {
    "changelog": "changelog records per event over the commit interval",
    "composing": "CPU time of a banner's stages, on the example catalogue",
    "core": "CPU time of the streams core per event, by stage",
    "edge": "an edge node: requests per second, open streams, memory and loading of a million visitors",
    "generator": "pictures per second beside plain diffusers, and of the worker beside its painter",
    "latency": "from an event in Kafka to its request, at steady rates",
    "loop": "from a click in a browser to the new banner's pixels on its screen",
    "memory": "bytes of a visitor at rest, and of a worker with a million of them",
    "poison": "events per second with 1 % of bad records against none",
    "recovery": "from a kill to the first folded event, beside stock Faust",
    "restart": "time without progress when a worker beside another is killed and starts again, stage by stage",
    "scaleout": "time without progress when a worker joins, leaves, dies or restarts",
    "start": "processor time of short commands and of importing streams.app, compared with Typer and Rich alone",
    "streams": "events per second beside Kafka Streams, Quix Streams, stock Faust and a plain consumer",
    "transactions": "one round of a worker in transactions, and in the order of writes without them",
    "plots": "docs/images/performance-*.svg, from the raw results",
    "report": "docs/performance.md, from the raw results",
}


def main() -> None:
    """Run the named benchmark with the remaining arguments."""
    listed = "\n".join(f"  {name:12} {about}" for name, about in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Run a benchmark.",
        epilog=f"benchmarks:\n{listed}\n\n`python -m bench NAME --help` lists a benchmark's own options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME", help="which benchmark")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its options")
    chosen = parser.parse_args()
    import_module(f"bench.{chosen.name}").main(chosen.arguments)


if __name__ == "__main__":
    main()
