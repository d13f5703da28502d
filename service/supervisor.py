"""Child processes as one service: started in order, restarted when they end, stopped in reverse order.

    stages = [[broker, store], [streams, generator]]
    Supervisor(stages, MergedLog(sys.stderr), metrics_port=9100).run_until_stopped()

Supervision runs in the caller's thread: the block of a `with Supervisor(…)` has to call `check()` often. Only the
children's output and the metrics page have threads of their own.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from bannerstream.service.merged_log import MergedLog
from bannerstream.service.metrics_relay import MetricsRelay
from bannerstream.service.metrics_server import served_metrics
from bannerstream.service.signals import stop_event
from bannerstream.service.supervised_child import RestartPolicy, Service, SupervisedChild
from bannerstream.service.supervisor_metrics import SupervisorMetrics
from bannerstream.settings.groups import ANY_ADDRESS

__all__ = ["RestartPolicy", "Service", "Supervisor"]

_POLL_S = 0.05


class Supervisor:
    """Runs services; use it as a context manager, or call `run_until_stopped`.

    A stage starts when every service of the previous stage is ready; the services of one stage start together.
    `stop` returns when all children have ended. On Linux the kernel kills them if this process is killed.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Service]],
        log: MergedLog,
        *,
        metrics_host: str = ANY_ADDRESS,
        metrics_port: int = 0,
        metrics_setting: str = "metrics_port",
    ) -> None:
        """Create the children without starting them.

        `metrics_port` 0 serves no metrics; `metrics_setting` is its name in an error message.
        """
        self._registry = CollectorRegistry()
        metrics = SupervisorMetrics(self._registry)
        self._stages = [[SupervisedChild(service, log, metrics) for service in stage] for stage in stages]
        self._children = {child.service.name: child for stage in self._stages for child in stage}
        services = [service for stage in stages for service in stage]
        if len(self._children) != len(services):
            raise ValueError(f"the names of services must differ: {[service.name for service in services]}")
        ports = {service.name: service.metrics_port for service in services if service.metrics_port}
        self._registry.register(MetricsRelay(ports))
        log.align(self._children)
        self._page = partial(served_metrics, metrics_port, self._registry, setting=metrics_setting, host=metrics_host)
        self._until_stop = ExitStack()

    def run_until_stopped(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start, call `on_ready`, keep everything running until SIGTERM or SIGINT, and stop. Main thread only.

        Raises:
            ChildFailed: a service was not ready in time, ended without a restart policy, or failed too often.
            ConfigurationError: the metrics port is taken.
        """
        with stop_event() as stop:
            try:
                if self._start(stop):
                    on_ready()
                    while not stop.wait(_POLL_S):
                        self.check()
            finally:
                self.stop()

    def check(self) -> None:
        """Check every service, and restart those that ended when their wait is over.

        Raises:
            ChildFailed: as in `run_until_stopped`; the message names the service and quotes its last log lines.
        """
        for child in self._children.values():
            child.check()

    def stop(self) -> None:
        """Stop every service, the last stage first. A second call does nothing.

        The services of a stage stop together, each within its own `Service.stop_timeout_s`, so a stop lasts as long as
        the slowest service of each stage, summed over the stages, and a stage that hangs takes no time from the next.
        """
        for stage in reversed(self._stages):
            for child in reversed(stage):
                child.terminate()
            for child in reversed(stage):
                child.reap()
        self._until_stop.close()

    def stop_service(self, name: str) -> None:
        """Stop one service; it stays stopped until `start_service`."""
        child = self._children[name]
        child.terminate()
        child.reap()

    def start_service(self, name: str) -> None:
        """Start a service that was stopped, and return when it is ready.

        Raises:
            ChildFailed: it ended before it was ready, or was not ready in time.
        """
        self._start_together([self._children[name]], threading.Event())

    def __enter__(self) -> Self:
        try:
            self._start(threading.Event())
        except BaseException:  # Ctrl-C too
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _start(self, stop: threading.Event) -> bool:
        """Start the stages one after another; return False if `stop` was set before all were ready."""
        self._until_stop.enter_context(self._page())
        return all(self._start_together(stage, stop) for stage in self._stages)

    def _start_together(self, children: Sequence[SupervisedChild], stop: threading.Event) -> bool:
        for child in children:
            child.start()
        while not stop.is_set():
            for child in children:
                child.check()
            if all(child.is_ready for child in children):
                return True
            stop.wait(_POLL_S)
        return False
