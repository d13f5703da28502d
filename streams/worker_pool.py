"""Several streams workers on one machine, run by one command: a process for each core.

Python runs one thread at a time, so one worker uses one core. Each worker of a pool is a member of the group by its own
name, with a slot of `streams.data_dir` of its own, as if it had been started alone; nothing is shared but the log and
the metrics port.
"""

import sys
from contextlib import ExitStack
from functools import partial

from bannerstream.service.merged_log import MergedLog
from bannerstream.service.reserved_ports import LOOPBACK, listens, reserved_ports
from bannerstream.service.supervisor import RestartPolicy, Service, Supervisor
from bannerstream.settings import Settings

STOP_TIMEOUT_S = 9.0
"""A worker ends by itself within `main.STOP_TIMEOUT_S` (8 s) after SIGTERM; orchestrators kill the pool after 10 s."""

_FINAL = frozenset({2, 3})
"""Exit codes of wrong usage and wrong settings (`bannerstream --help`)."""

_NEVER = float("inf")


def run_workers(settings: Settings, count: int) -> None:
    """Run `count` workers until SIGTERM or SIGINT; restart one that ends. Main thread only.

    Raises:
        ChildFailed: a worker refused its settings, or failed again and again.
        ConfigurationError: the metrics port is taken.
    """
    with ExitStack() as held:
        ports: tuple[int, ...] = (0,) * count
        if settings.streams.metrics_port:
            ports = held.enter_context(reserved_ports(count))
        workers = [worker(settings, number, port) for number, port in enumerate(ports, 1)]
        Supervisor(
            [workers],
            MergedLog(sys.stderr, settings.log_format),
            metrics_host=settings.streams.metrics_host,
            metrics_port=settings.streams.metrics_port,
            metrics_setting="streams.metrics_port",
        ).run_until_stopped()


def worker(settings: Settings, number: int, metrics_port: int) -> Service:
    """Return the worker of this number, counted from 1, whose metrics are at this port of loopback (0: nowhere).

    It is ready when it serves them. What comes later, such as a topic that is missing, is its log's to say.
    """
    return Service(
        f"streams-{number}",
        [sys.executable, "-P", "-m", "bannerstream", "run", "streams"],
        {
            "BANNERSTREAM_LOG_LEVEL": settings.log_level,  # `--verbose` is not in the environment
            "BANNERSTREAM_STREAMS__METRICS_HOST": LOOPBACK,  # from elsewhere, the pool's page alone is reached
            "BANNERSTREAM_STREAMS__METRICS_PORT": str(metrics_port),
        },
        is_ready=partial(listens, metrics_port) if metrics_port else lambda: True,
        ready_timeout_s=_NEVER,
        metrics_port=metrics_port or None,
        restart=RestartPolicy(final_statuses=_FINAL),
        stop_timeout_s=STOP_TIMEOUT_S,
    )
