"""Servers as child processes on loopback, for trials, tests and benchmarks. Never for production.

The command line, the demo, the tests and the benchmarks start their servers here. May import service, settings and
contracts; not streams, generator, edge or catalog.
"""

from bannerstream.devservers.errors import ServerFailed, ServerMissing
from bannerstream.devservers.stack import Stack, environment_of, why_unavailable
from bannerstream.service.child_process import ChildProcess

__all__ = ["ChildProcess", "ServerFailed", "ServerMissing", "Stack", "environment_of", "why_unavailable"]
