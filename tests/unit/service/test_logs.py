"""What the log of a process shows of an exception."""

import subprocess
import sys

import pytest

FAILS = """
import sys, structlog
from bannerstream.service.logs import configure_logging
from bannerstream.settings import Settings
configure_logging(Settings(log_format=sys.argv[1]))
def fold(visitor):
    raise ValueError("not folded")
try:
    fold("ada" + "@example.com")
except ValueError:
    structlog.stdlib.get_logger("bannerstream.streams").exception("failed")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_where_it_failed_and_no_local_variable(log_format: str) -> None:
    process = subprocess.run([sys.executable, "-c", FAILS, log_format], capture_output=True, text=True, check=True)
    assert "in fold" in process.stderr
    assert "ValueError: not folded" in process.stderr
    assert "ada@example.com" not in process.stderr
