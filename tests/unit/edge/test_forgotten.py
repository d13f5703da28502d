"""What `erase --wait` reports about edge nodes."""

from bannerstream.edge.erasure_check import check_erased


async def test_where_no_node_is_named_the_report_says_that_none_was_asked() -> None:
    (place,) = await check_erased([], "0" * 32, 1.0)
    assert place.erased is None
    assert "edge.urls" in place.found
