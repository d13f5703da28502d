"""Requests of broken banners, rebuilt from the catalogue."""

from msgspec.structs import replace

from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.keys import banner_key
from bannerstream.generator.worker.records import read_request
from bannerstream.settings.model import Settings
from bannerstream.upkeep.findings import Finding
from bannerstream.upkeep.pointers import Catalogue
from bannerstream.upkeep.repairs import broken_banners, from_catalogue

COSY, SPORT = (
    with_rev(Cohort(cohort_id=name, name=name, mood=("warm",), palette=("#ffffff", "#ddccbb", "#884422")))
    for name in ("cosy", "sport")
)
COHORTS = {cohort.cohort_id: cohort for cohort in (COSY, SPORT)}
MUG, BALL = (
    with_rev(Product(product_id=name, title=name, category="things", cohorts={"cosy": 1.0, "sport": 0.5}, locale="de"))
    for name in ("mug", "ball")
)
PRODUCTS = {product.product_id: product for product in (MUG, BALL)}


def key_of(product: Product, cohort: Cohort = COSY, *, variant: str = "a", revision: str = "1") -> str:
    return banner_key(product, cohort, locale=product.locale, variant=variant, creative_revision=revision)


def broken(key: str, **known: str | int | None) -> Finding:
    return Finding(kind="blob_missing", key="blobs/…", banner_key=key, reason="gone", **known)  # type: ignore[arg-type]


def test_a_banner_is_requested_again_as_streams_requested_it() -> None:
    findings = [
        broken(key_of(MUG, SPORT), product_id="mug", variant="a", creative_revision="1"),
        broken(key_of(BALL, variant="open-bold-natural"), product_id="ball", variant="open-bold-natural"),
        broken(key_of(BALL, revision="old"), product_id="ball", variant="a", creative_revision="old"),
    ]
    found = from_catalogue(broken_banners(findings), Catalogue(PRODUCTS, COHORTS), Settings())
    assert found.keys() == {finding.banner_key for finding in findings}
    for key, request in found.items():
        assert read_request(encode(request)).banner_key == key, "what a generator refuses helps nobody"
        assert request.locale == "de"


def test_a_manifest_that_cannot_be_read_and_was_never_announced_is_found_among_all_products() -> None:
    key = key_of(BALL, SPORT)
    assert from_catalogue({key: broken(key)}, Catalogue(PRODUCTS, COHORTS), Settings()).keys() == {key}


def test_nothing_leads_to_a_banner_of_what_has_changed_since() -> None:
    key = key_of(MUG)
    changed = {"mug": with_rev(replace(MUG, title="Another mug"))}
    assert from_catalogue({key: broken(key, product_id="mug")}, Catalogue(changed, COHORTS), Settings()) == {}


def test_a_banner_with_several_findings_is_requested_once_above_its_highest_revision() -> None:
    picture = Finding(kind="picture_missing", key="catalogue/…", reason="gone")
    findings = [broken("k", revision=1), broken("k", revision=3), broken("k", revision=2), picture]
    assert {key: finding.revision for key, finding in broken_banners(findings).items()} == {"k": 3}
