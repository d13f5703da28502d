"""`python -m bannerstream.streams.batching`: print the table of overrides for docs/batching.md."""

import sys

import bannerstream.streams.batching.app
import bannerstream.streams.batching.changelog_reader  # noqa: F401  (each module declares what it overrides_private)
from bannerstream.streams.batching.compat import PRIVATE_OVERRIDES, TESTED


def overrides_table() -> str:
    """Return a Markdown table: each method, and what stands in for it."""
    lines = ["| of | replaced | by |", "|---|---|---|"]
    for each in sorted(PRIVATE_OVERRIDES, key=lambda replaced: replaced.target):
        library = each.target.partition(".")[0]
        package = {"faust": "faust-streaming"}.get(library, library)
        of = f"{package} {TESTED[package]}"
        by = each.by.removeprefix("bannerstream.streams.batching.").replace(":", ".py: ")
        lines.append(f"| {of} | `{each.target.partition('.')[2]}` | `{by}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(overrides_table())
