"""`python -m bannerstream.streams.batching`: print the table of overrides for docs/batching.md."""

import sys

import bannerstream.streams.batching.app
import bannerstream.streams.batching.changelog_reader  # noqa: F401  (each module declares its overrides)
from bannerstream.streams.batching.compat import PRIVATE_OVERRIDES, TESTED


def overrides_table() -> str:
    """Return a Markdown table: each overridden private method, and our override."""
    lines = ["| library | overridden | by |", "|---|---|---|"]
    for override in sorted(PRIVATE_OVERRIDES, key=lambda override: override.target):
        library = override.target.partition(".")[0]
        package = {"faust": "faust-streaming"}.get(library, library)
        by = override.by.removeprefix("bannerstream.streams.batching.").replace(":", ".py: ")
        lines.append(f"| {package} {TESTED[package]} | `{override.target.partition('.')[2]}` | `{by}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(overrides_table())
