"""Servers as child processes on loopback, for trying out, tests and benchmarks. Never for production.

The one place that starts them, used by the command line, the demo, the tests and the benchmarks. May import settings
and contracts; nothing of streams, generator, edge or catalog.
"""

from bannerstream.devservers.errors import ServerFailed, ServerMissing
from bannerstream.devservers.stack import Stack, environment_of, why_unavailable
from bannerstream.service.child_process import ChildProcess

__all__ = ["ChildProcess", "ServerFailed", "ServerMissing", "Stack", "environment_of", "why_unavailable"]
