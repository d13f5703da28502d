"""Memory that runs out is remembered, and tried again with care."""

from hypothesis import given
from hypothesis import strategies as st

from bannerstream.generator.serving.limits import TRY_MORE_AFTER, BatchLimits


def test_half_a_batch_is_tried_after_one_that_did_not_fit_and_only_of_its_kind() -> None:
    limits = BatchLimits(16)
    limits.ran_out("square", 16)
    assert (limits.max_size("square"), limits.max_size("wide")) == (8, 16)


def test_what_fits_is_kept_to_and_a_vain_try_for_more_falls_back_to_it() -> None:
    limits = BatchLimits(16)
    limits.ran_out("square", 16)
    for _ in range(TRY_MORE_AFTER):
        assert limits.max_size("square") == 8
        limits.fitted("square", 8)
    assert limits.max_size("square") == 9
    limits.ran_out("square", 9)
    assert limits.max_size("square") == 8


@given(st.integers(1, 64), st.integers(1, 64))
def test_the_largest_that_fits_is_found_in_the_end(most: int, fits: int) -> None:
    limits = BatchLimits(most)
    failures = 0
    for _ in range(70 * TRY_MORE_AFTER):
        batch = limits.max_size("x")
        assert 1 <= batch <= most
        if batch > fits:
            limits.ran_out("x", batch)
            failures += 1
        else:
            limits.fitted("x", batch)
    assert min(most, fits) <= limits.max_size("x") <= min(most, fits + 1)
    assert failures <= 7 + 70  # halves at first, then one in `TRY_MORE_AFTER`
