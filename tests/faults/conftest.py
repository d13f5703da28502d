"""Servers for fault tests: the fixtures of the integration tests."""

from tests.integration.conftest import (
    environment,
    overrides,
    pytest_generate_tests,
    settings,
    stack,
    started_stack,
)

__all__ = ["environment", "overrides", "pytest_generate_tests", "settings", "stack", "started_stack"]
