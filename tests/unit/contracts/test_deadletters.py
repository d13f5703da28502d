import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.dead_letter import MAX_KEPT_BYTES, MAX_KEPT_KEY_BYTES, MAX_REASON_BYTES, DeadLetter

_lengths = st.sampled_from([0, 1, MAX_KEPT_KEY_BYTES, MAX_KEPT_KEY_BYTES + 1, MAX_KEPT_BYTES, MAX_KEPT_BYTES + 1])


def letter(key: bytes | None = b"u", value: bytes | None = b"{}", reason: str = "why") -> DeadLetter:
    return DeadLetter.of(
        key=key,
        value=value,
        topic="clicks",
        partition=3,
        offset=17,
        code="malformed",
        reason=reason,
        now=1_700_000_000_000,
    )


@given(st.none() | st.binary(max_size=50), st.none() | st.binary(max_size=50), st.text(max_size=300))
def test_what_fits_is_kept_whole(key: bytes | None, value: bytes | None, reason: str) -> None:
    sent = letter(key, value, reason)
    assert (sent.key, sent.value, sent.truncated_from) == (key, value, None)
    assert DeadLetter.from_record(sent.key, sent.value, sent.headers()) == sent


@given(_lengths, _lengths)
def test_a_letter_never_outgrows_its_bounds_and_says_what_it_cut(key_length: int, value_length: int) -> None:
    sent = letter(b"k" * key_length, b"v" * value_length)
    assert len(sent.key or b"") <= MAX_KEPT_KEY_BYTES
    assert len(sent.value or b"") <= MAX_KEPT_BYTES
    whole = key_length <= MAX_KEPT_KEY_BYTES and value_length <= MAX_KEPT_BYTES
    assert sent.truncated_from == (None if whole else key_length + value_length)
    assert DeadLetter.from_record(sent.key, sent.value, sent.headers()) == sent


@given(st.text(alphabet="aé漢🎈", min_size=300, max_size=1200))
def test_a_long_reason_is_cut_between_characters(reason: str) -> None:
    received = DeadLetter.from_record(b"", b"", letter(reason=reason).headers())
    assert reason.startswith(received.reason)
    assert MAX_REASON_BYTES - 3 <= len(received.reason.encode()) <= MAX_REASON_BYTES or received.reason == reason
    assert received == msgspec.structs.replace(letter(b"", b""), reason=received.reason)


def test_a_reason_with_lone_surrogates_can_be_sent() -> None:
    assert DeadLetter.from_record(b"", b"", letter(reason="a \ud800 b").headers()).reason == "a ? b"


def test_a_letter_is_a_cloud_event_about_the_record_that_was_refused() -> None:
    headers = dict(letter().headers())
    assert (headers["ce_specversion"], headers["ce_type"]) == (b"1.0", b"io.bannerstream.dead_letter")
    assert (headers["ce_source"], headers["ce_id"], headers["ce_subject"]) == (b"/topics/clicks", b"3@17", b"malformed")
    assert headers["content-type"] == b"application/octet-stream"


@pytest.mark.parametrize("name", ["topic", "partition", "offset", "code", "reason", "failed_at"])
def test_a_record_without_a_header_is_no_dead_letter(name: str) -> None:
    headers = [each for each in letter().headers() if each[0] != f"dlq_{name}"]
    with pytest.raises(ValueError, match=f"headers .*dlq_{name}.* are missing"):
        DeadLetter.from_record(b"u", b"{}", headers)


def test_a_record_with_a_wrong_number_is_no_dead_letter() -> None:
    headers = [("dlq_offset", b"x") if name == "dlq_offset" else (name, value) for name, value in letter().headers()]
    with pytest.raises(ValueError, match="invalid literal"):
        DeadLetter.from_record(b"u", b"{}", headers)
