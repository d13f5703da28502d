"""Every parser of bytes from outside: how it is called, the errors that are its own, and valid input to start from."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import msgspec
import numpy as np
from hypothesis import strategies as st
from PIL import Image

from bannerstream.broker.dead_letters import _Progress
from bannerstream.broker.recordings import parse_events, parse_line
from bannerstream.broker.topic_sample import codecs_of
from bannerstream.catalog.folder import COHORTS_FILE, PRODUCTS_FILE, read_catalogue
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import ConfigurationError, InvalidRecord
from bannerstream.contracts.inputs import InputForm, Source, decode_events, decode_record, read_connect
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import Assignment, BannerReady, BannerRequest, Erasure, Feedback, Refusal
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.edge.errors import HttpError
from bannerstream.edge.feedback_tokens import FeedbackTokens
from bannerstream.edge.report_records import read_events, read_feedback
from bannerstream.edge.resolver import product_card
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.generator.gates.words import BlockedWords
from bannerstream.settings import Settings, load_settings
from bannerstream.settings.input_forms import read_mappings
from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.image_ingest.decoding import decode_upright
from bannerstream.streams.affinity.state import Decision, UserState, decision_of, pack, seen_at_ms_of, unpack
from bannerstream.streams.errors import UnknownStateVersion
from bannerstream.streams.experiments import tally
from bannerstream.streams.repartition.origin import HEADER, parse_origin
from tests.support.input_examples import EXPORTED, GA4, NATIVE, NOW, SEGMENT
from tests.support.strategies import messages

_CONNECT = (Path(__file__).parents[3] / "examples" / "connect.toml").read_bytes()
_LIMITS = {"max_future_ms": 600_000, "max_age_ms": 400 * 86_400_000}
_SETTINGS = Settings()


@dataclass(frozen=True)
class Parser:
    """One parser: it returns, or raises one of `errors`."""

    parse: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    valid: st.SearchStrategy[bytes]


def _event(payload: bytes) -> None:
    """Decode a record in every form, alone and in bulk."""
    forms: tuple[InputForm, ...] = ("auto", "native", "segment", "ga4", read_connect(_CONNECT.decode())["clicks"])
    for form in forms:
        for source in get_args(Source):
            assert decode_record(payload, source, form, received_at=NOW, **_LIMITS)
            decoded, _, _ = decode_events([payload, payload], [NOW, NOW], source, form, **_LIMITS)
            assert len(decoded) == 2


@contextmanager
def _file(name: str, content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        yield path


def _connect(content: bytes) -> object:
    with _file("connect.toml", content) as path:
        return read_mappings(path)


def _settings(content: bytes) -> object:
    with _file("shop.toml", content) as path:
        return load_settings(path)


def _variable(content: bytes) -> object:
    name, _, value = content.decode("utf-8", "surrogateescape").replace("\0", "").partition("=")
    if not name:
        return None
    with mock.patch.dict(os.environ, {f"BANNERSTREAM_{name}": value}):
        return load_settings()


def _catalogue(name: str, content: bytes) -> object:
    with _file(name, content) as path:
        for other in {PRODUCTS_FILE, COHORTS_FILE} - {name}:
            path.with_name(other).write_bytes((CATALOGUE / other).read_bytes())
        return read_catalogue(path.parent)


def _blocked_words(content: bytes) -> object:
    with _file("words.txt", content) as path:
        return BlockedWords.read(path).found(["a mug", content.decode(errors="replace")])


def _headers(content: bytes) -> list[Any]:
    """Return headers from lines `name:value`; a line without a colon is a header without a value."""
    lines = [line.partition(b":") for line in content.split(b"\n")]
    return [(name.decode(errors="replace"), value if colon else None) for name, colon, value in lines]


def _dead_letter(content: bytes) -> object:
    return DeadLetter.from_record(content, content, _headers(content))


def _state(packed: bytes) -> None:
    for read in (unpack, seen_at_ms_of, decision_of):
        read(packed)


def _progress(content: bytes) -> None:
    _Progress().load(0, content.decode(errors="replace"))


def _visitor_token(token: bytes) -> object:
    return VisitorTokens(_SETTINGS).visitor(token.decode("latin-1"))


def _feedback_token(token: bytes) -> object:
    return FeedbackTokens(b"0123456789abcdef" * 2, 3600.0).read(token.decode("latin-1"))


def _pictures() -> list[bytes]:
    pixels = Image.fromarray(np.arange(24 * 20 * 4, dtype=np.uint8).reshape(24, 20, 4), "RGBA")
    contents = []
    for form, mode in (("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGBA")):
        content = BytesIO()
        pixels.convert(mode).save(content, form)
        contents.append(content.getvalue())
    return contents


def _states() -> list[bytes]:
    decided = UserState(
        604_800_000,
        NOW,
        5,
        2,
        Decision("mug", "home", 7, 5, "a"),
        {"clicks": 9},
        {"home": 1.5},
        {"mug": 5},
        {"kettle": 9},
    )
    return [pack(UserState(604_800_000)), pack(decided)]


def _json(*values: object) -> st.SearchStrategy[bytes]:
    return st.sampled_from([json.dumps(value).encode() for value in values])


def _of(kind: type[Any]) -> Parser:
    return Parser(partial(decode, kind=kind), (InvalidRecord,), messages(kind).map(msgspec.json.encode))


_PRODUCTS = (CATALOGUE / PRODUCTS_FILE).read_bytes().splitlines()[:2]
_COHORTS = (CATALOGUE / COHORTS_FILE).read_bytes()
_SHOP = (
    b'environment = "development"\n[kafka]\npartitions = 4\ntopics = { clicks = "shop.clicks" }\n[edge]\nport = 8080\n'
)
_LETTER = (
    b"dlq_topic:clicks\ndlq_partition:0\ndlq_offset:7\ndlq_code:malformed\ndlq_reason:no\ndlq_failed_at:1\ndlq_part:2"
)
_BATCH = bytes(8) + (60).to_bytes(4, "big") + bytes(4) + b"\x02" + bytes(4) + b"\x00\x02" + bytes(60)

PARSERS: dict[str, Parser] = {
    "events": Parser(_event, (), _json(NATIVE, SEGMENT, GA4, EXPORTED, {"type": "batch", "batch": [SEGMENT] * 2})),
    "connect": Parser(_connect, (ConfigurationError,), st.just(_CONNECT)),
    "settings": Parser(_settings, (ConfigurationError,), st.just(_SHOP)),
    "variables": Parser(
        _variable,
        (ConfigurationError,),
        st.sampled_from(
            [b"KAFKA__PARTITIONS=4", b'KAFKA__TOPICS={"clicks": "c"}', b"EDGE__CORS_ORIGINS=[]", b"CDN__KIND=x"]
        ),
    ),
    "products": Parser(partial(_catalogue, PRODUCTS_FILE), (ConfigurationError,), st.just(b"\n".join(_PRODUCTS))),
    "cohorts": Parser(partial(_catalogue, COHORTS_FILE), (ConfigurationError,), st.just(_COHORTS[:1500])),
    "blocked_words": Parser(_blocked_words, (ConfigurationError,), st.just("mug\n# no\nm\u00fcg cup\n".encode())),
    "pictures": Parser(decode_upright, (BrokenImage,), st.sampled_from(_pictures())),
    "visitor_tokens": Parser(_visitor_token, (HttpError,), st.just(VisitorTokens(_SETTINGS).mint("u-7").encode())),
    "feedback_tokens": Parser(_feedback_token, (HttpError,), st.just(b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo")),
    "page_events": Parser(
        partial(read_events, max_batch=100),
        (HttpError,),
        _json({"type": "click", "product_id": "mug", "time": NOW}, []),
    ),
    "page_feedback": Parser(read_feedback, (HttpError,), _json({"token": "x", "kind": "click", "size": "970x250"})),
    "manifests": _of(Manifest),
    "assignments": _of(Assignment),
    "ready": _of(BannerReady),
    "requests": _of(BannerRequest),
    "refusals": _of(Refusal),
    "erasures": _of(Erasure),
    "feedback": _of(Feedback),
    "catalog_products": _of(Product),
    "catalog_cohorts": _of(Cohort),
    "product_cards": Parser(product_card, (InvalidRecord,), st.sampled_from(_PRODUCTS)),
    "states": Parser(_state, (InvalidRecord, UnknownStateVersion), st.sampled_from(_states())),
    "tallies": Parser(tally.unpack, (InvalidRecord,), st.just(tally.pack(tally.Tally(5, 1, 9, b"12345678")))),
    "tally_keys": Parser(tally.TallyKey.of, (InvalidRecord,), st.just(tally.TallyKey("home", "a", "mug").key)),
    "dead_letters": Parser(_dead_letter, (ValueError,), st.just(_LETTER)),
    "replay_progress": Parser(_progress, (), _json({"clicks/malformed": 7})),
    "origins": Parser(
        lambda content: parse_origin(_headers(content)),
        (InvalidRecord,),
        st.just(f"{HEADER}:clicks/shop.clicks/3/1207/1769860800000/2".encode()),
    ),
    "recordings": Parser(
        partial(parse_line, number=1), (ConfigurationError,), _json({"topic": "clicks", "key": "u-7", "value": NATIVE})
    ),
    "bare_events": Parser(
        partial(parse_events, from_format="auto", now=NOW),
        (ConfigurationError, InvalidRecord),
        _json(NATIVE, GA4, SEGMENT),
    ),
    "fetched_batches": Parser(lambda content: list(codecs_of(content)), (), st.just(_BATCH)),
}
