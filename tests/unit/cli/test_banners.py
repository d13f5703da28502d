"""`bannerstream banners export` and `blocked`, on a bucket in memory."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pytest
from msgspec.structs import replace

from bannerstream.broker.publisher import Outgoing
from bannerstream.cli.main import run_command
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.manifest import BannerCopy, Description, Manifest, Provenance
from bannerstream.contracts.messages import Refusal, Rendition
from bannerstream.storage.fakes import MemoryBannerStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryBannerStore:
    monkeypatch.chdir(tmp_path)
    memory = MemoryBannerStore()
    monkeypatch.setattr("bannerstream.cli.banners.S3BannerStore", lambda _: memory)
    return memory


def put_banner(store: MemoryBannerStore, banner_key: str) -> Manifest:
    blob_key = store.put_blob(banner_key.encode(), "image/webp")
    sha256 = blob_key.rpartition("/")[2].partition(".")[0]
    rendition = Rendition(
        size="300x250", blob_key=blob_key, width=300, height=250, bytes=64, sha256=sha256, media_type="image/webp"
    )
    manifest = Manifest(
        banner_key=banner_key,
        revision=1,
        product_id="mug",
        product_rev="0" * 16,
        cohort_id="home",
        cohort_rev="1" * 16,
        locale="en",
        variant="a",
        creative_revision="1",
        description=Description(subject="mug", attributes=(), setting="kitchen", describer="lexicon@1"),
        words=BannerCopy(headline="A mug", line="", call_to_action="Look"),
        provenance=Provenance(painter="studio@1", engine="studio"),
        seed=7,
        templates={"300x250": "split"},
        gates=(),
        renditions=(rendition,),
        stage_ms={},
        created_at=0,
    )
    store.put_manifest(manifest)
    return manifest


def test_what_is_exported_is_whole_and_no_more_than_asked_for(store: MemoryBannerStore) -> None:
    first, _ = put_banner(store, "a" * 64), put_banner(store, "b" * 64)
    assert run_command(["banners", "export", "out", "--limit", "1"]) == 0
    (path,) = Path("out/manifests").iterdir()
    assert decode(path.read_bytes(), Manifest) == first
    assert (Path("out") / first.renditions[0].blob_key).read_bytes() == b"a" * 64


def test_an_export_to_where_a_file_is_stops_with_its_name(
    store: MemoryBannerStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put_banner(store, "a" * 64)
    Path("out").write_text("in the way")
    assert run_command(["banners", "export", "out"]) == 3
    assert "cannot be written" in capsys.readouterr().err


KNIFE = Refusal(product_id="knife", locale="*", rev="0" * 16, code="words", reason="says so", refused_at=1000)


@pytest.fixture
def refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Refusal]:
    """The topic of refusals: commands read it, and delete from it."""
    monkeypatch.chdir(tmp_path)
    held: dict[str, Refusal] = {}

    async def read(*_: object) -> dict[str, Refusal]:
        return dict(held)

    class FakePublisher:
        def __init__(self, _: object) -> None: ...

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def publish_all(self, records: Iterable[Outgoing]) -> None:
            for record in records:
                assert (record.topic, record.value) == ("banner.refusals", None)
                del held[(record.key or b"").decode()]

    monkeypatch.setattr("bannerstream.cli.banners.read_compacted", read)
    monkeypatch.setattr("bannerstream.cli.banners.Publisher", FakePublisher)
    return held


def test_blocked_products_are_listed_with_their_reason(
    refusals: dict[str, Refusal], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["banners", "blocked"]) == 0
    assert "no product is blocked" in capsys.readouterr().err
    refusals["knife/*"] = KNIFE
    assert run_command(["banners", "blocked", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["product"], row["gate"], row["reason"]) == ("knife", "words", "says so")
    assert row["blocked_at"].startswith("1970-01-01T00:00:01")


def test_a_product_that_is_allowed_is_no_longer_refused(
    refusals: dict[str, Refusal], capsys: pytest.CaptureFixture[str]
) -> None:
    refusals |= {"knife/*": KNIFE, "knife/en": replace(KNIFE, locale="en"), "gun/*": replace(KNIFE, product_id="gun")}
    assert run_command(["banners", "allow", "knife", "ghost"]) == 5
    assert "not refused: ghost" in capsys.readouterr().err
    assert len(refusals) == 3
    assert run_command(["banners", "allow", "knife"]) == 0
    assert list(refusals) == ["gun/*"]
