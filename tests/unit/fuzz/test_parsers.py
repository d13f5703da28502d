"""Whatever the bytes are, a parser returns, or raises an error of its own, in bounded time and memory.

`corpus/<parser>/` holds what was found before; each file is replayed first. When hypothesis finds more, save the bytes
that it prints there, under a name that says what is odd about them, and mend every parser of that kind.
"""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.fuzz.mutation import ODD, broken
from tests.unit.fuzz.parsers import PARSERS, Parser

CORPUS = Path(__file__).parent / "corpus"
FINDS = sorted(CORPUS.glob("*/*"))

MOST_BYTES = 128 * 1024 * 1024
"""Peak of Python's memory for one input of some kilobytes: a bound on the order of growth, not a target."""

_RELAXED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def check(parser: Parser, content: bytes) -> None:
    try:
        parser.parse(content)
    except parser.errors as error:
        said = str(error)
    else:
        return
    assert said.strip(), "an error without a word"


def check_memory(parser: Parser, content: bytes) -> None:
    tracemalloc.start()
    try:
        check(parser, content)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MOST_BYTES


@pytest.mark.parametrize("find", FINDS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_before(find: Path) -> None:
    check_memory(PARSERS[find.parent.name], find.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_what_every_parser_has_to_survive(name: str) -> None:
    for odd in (b"", *ODD):
        check_memory(PARSERS[name], odd)


@pytest.mark.parametrize("name", PARSERS)
def test_a_few_broken_inputs(name: str) -> None:
    """The same at every push: what is found by chance must not stop a change that has nothing to do with it."""

    @settings(max_examples=15, derandomize=True, database=None, suppress_health_check=_RELAXED)
    @given(content=broken(PARSERS[name].valid))
    def survives(content: bytes) -> None:
        check(PARSERS[name], content)

    survives()


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", PARSERS)
def test_many_broken_inputs(name: str) -> None:
    @settings(max_examples=500, suppress_health_check=_RELAXED)
    @given(content=broken(PARSERS[name].valid) | st.binary(max_size=200))
    def survives(content: bytes) -> None:
        check_memory(PARSERS[name], content)

    survives()


def test_the_corpus_belongs_to_parsers() -> None:
    assert {find.parent.name for find in FINDS} <= PARSERS.keys()
