"""The demo's page: complete without a server, and safe against markup in product titles."""

import re
from pathlib import Path

import pytest

from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.manifest import BannerCopy, Description, GateScore, Manifest, Provenance
from bannerstream.contracts.messages import Assignment, Rendition
from bannerstream.demo.page import PageContent, write_page

KEY = "ab" * 32
NASTY = "<script>alert('mug')</script>"
PRODUCT = Product(product_id="mug", title=NASTY, category="kitchen", cohorts={"home": 1.0})
COHORT = Cohort(cohort_id="home", name="Home & hearth", mood=("calm",), palette=("#ffffff", "#cccccc", "#884422"))


def rendition(size: str, media_type: str) -> Rendition:
    width, height = map(int, size.split("x"))
    key = f"blobs/{size}.{media_type.removeprefix('image/')}"
    return Rendition(
        size=size, blob_key=key, width=width, height=height, bytes=3, sha256="0" * 64, media_type=media_type
    )


MANIFEST = Manifest(
    banner_key=KEY,
    revision=1,
    product_id="mug",
    product_rev="0" * 16,
    cohort_id="home",
    cohort_rev="0" * 16,
    locale="en",
    variant="a",
    creative_revision="1",
    description=Description(subject="mug", attributes=("red",), setting="kitchen", describer="lexicon@1"),
    words=BannerCopy(headline="Slow mornings", line="A mug", call_to_action="See mugs"),
    provenance=Provenance(painter="studio@1", engine="studio", scene="kitchen"),
    seed=7,
    templates={"970x250": "open", "300x250": "open"},
    gates=(GateScore(gate="contrast", size="970x250", score=2.0, threshold=4.5, passed=False),),
    renditions=tuple(rendition(s, m) for s in ("970x250", "300x250") for m in ("image/webp", "image/jpeg")),
    stage_ms={"paint": 12.0},
    created_at=0,
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    seen = Assignment(user_key="c" * 32, epoch=1, banner_key=KEY, product_id="mug", cohort_id="home", decided_at=0)
    summary = {
        "events_in": 9,
        "events_folded": 7,
        "duplicates": 1,
        "dead_letters": 1,
        "assignments": 1,
        "banners": 1,
        "event_to_ready_ms": {"p50": 840, "p99": 12_345},
    }
    content = PageContent(
        summary, {KEY: MANIFEST}, [(seen.user_key, [seen])], {"mug": PRODUCT}, {"home": COHORT}, {"malformed": 1}
    )
    return write_page(content, tmp_path, lambda key: key.encode())


def test_every_picture_it_shows_lies_beside_it(page: Path) -> None:
    shown = set(re.findall(r'(?:src|href)="([^"#]+)"', page.read_text()))
    assert {Path(each).suffix for each in shown} == {".webp"}
    assert len(shown) == 2
    for path in shown:
        assert (page.parent / path).read_bytes().startswith(b"blobs/")


def test_a_product_title_is_text_and_never_markup(page: Path) -> None:
    html = page.read_text()
    assert NASTY not in html
    assert "&lt;script&gt;" in html


def test_it_tells_lineage_dead_letters_latency_and_failed_gates(page: Path) -> None:
    html = page.read_text()
    for text in (KEY, "lexicon@1", "studio@1, scene kitchen", "malformed", "840 ms", "12.3 s"):
        assert text in html, text
    assert '<span class="fail">contrast 2.00</span>' in html


def test_links_to_banners_lead_to_one_that_is_there(page: Path) -> None:
    html = page.read_text()
    for target in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{target}"' in html
