"""What runs is chosen by mark, and what did not run is listed at the end."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import pytest

    def test_always(): pass

    @pytest.mark.full
    def test_further(): pass

    def test_elsewhere(): pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless")

    def test_elsewhere_too(): pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless")
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))  # where the plugin is
    pytester.makeini("[pytest]\nmarkers = full: further")
    pytester.makepyfile(TESTS)
    return pytester


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_what_is_marked_full_is_left_out_and_the_end_says_so(
    session: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = session.runpytest_subprocess("-p", "tests.support.selection", *workers)
    result.assert_outcomes(passed=1, skipped=2, deselected=0 if workers else 1)
    result.stdout.fnmatch_lines(
        [
            "*not run*",
            "*2 skipped: Java is not installed: apt-get install openjdk-17-jre-headless",
            "*1 left out: * make test-all",
        ]
    )


def test_the_full_option_leaves_nothing_out(session: pytest.Pytester) -> None:
    result = session.runpytest_subprocess("-p", "tests.support.selection", "--full")
    result.assert_outcomes(passed=2, skipped=2)
    result.stdout.no_fnmatch_line("*left out*")


def test_where_all_ran_nothing_is_listed(session: pytest.Pytester) -> None:
    result = session.runpytest_subprocess("-p", "tests.support.selection", "--full", "-k", "always or further")
    result.stdout.no_fnmatch_line("*not run*")
