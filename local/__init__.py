"""Servers as child processes on loopback, for trying out, tests and benchmarks. Never for production."""
