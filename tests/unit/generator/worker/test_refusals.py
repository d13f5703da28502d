"""What a generator refuses and withdraws."""

from importlib.metadata import version
from typing import Any

import pytest

from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.keys import refusal_key
from bannerstream.contracts.manifest import Block
from bannerstream.contracts.messages import BannerRequest, Refusal
from bannerstream.generator.errors import BlockedProduct, ModelHung, NoFontForScript, PictureUnreadable
from bannerstream.generator.pipeline.pipeline import MadeBanner, UnmakeableBanner
from bannerstream.generator.worker.refusals import RefusalBook
from bannerstream.settings import KafkaSettings
from tests.support.generator_fakes import NOW, Fakes, RequestFor, the_one

FONTS = "f" * 16


class Book(RefusalBook):
    """Refusals over a topic that applies what is written to it."""

    def __init__(self, fonts: str = FONTS, letters: str = "") -> None:
        super().__init__(KafkaSettings(), fonts=lambda: fonts, has_letters=lambda text: set(text) <= set(letters))
        self.held: dict[str, Refusal] = {}
        self.view.values = self.held

    def apply(self, records: list[Outgoing]) -> list[str]:
        """Apply records, and return their keys."""
        for record in records:
            assert record.topic == "banner.refusals"
            key = (record.key or b"").decode()
            if record.value is None:
                del self.held[key]
            else:
                self.held[key] = decode(record.value, Refusal)
                assert refusal_key(self.held[key].product_id, self.held[key].locale) == key
                assert dict(record.headers)["ce_type"] == b"io.bannerstream.banner.refused"
        return [(record.key or b"").decode() for record in records]

    def refuse(self, request: BannerRequest, error: Exception) -> list[str]:
        return self.apply(self.records([UnmakeableBanner(request, error)], NOW))


@pytest.mark.parametrize(
    ("error", "key", "facts"),
    [
        (BlockedProduct("says gun", "words"), "p1/*", {"code": "words", "reason": "says gun"}),
        (BlockedProduct("nude", "picture"), "p1/*", {"code": "picture"}),
        (NoFontForScript("no font", "陶"), "p1/en", {"code": "letters", "letters": "陶", "fonts": FONTS}),
        (ValueError("boom"), "p1/en", {"code": "unmakeable", "reason": "ValueError: boom", "fonts": ""}),
    ],
)
def test_what_cannot_be_made_is_refused(
    error: Exception, key: str, facts: dict[str, Any], request_for: RequestFor
) -> None:
    book, request = Book(), request_for()
    assert book.refuse(request, error) == [key]
    refusal = book.held[key]
    assert (refusal.rev, refusal.banner_key, refusal.refused_at) == (request.product.rev, request.banner_key, NOW)
    assert {name: getattr(refusal, name) for name in facts} == facts
    assert book.refuse(request, error) == [key], "again: who asks does not know"


@pytest.mark.parametrize(
    "error", [ModelHung("hangs"), ServiceUnavailable("away"), PictureUnreadable("spoilt"), MemoryError()]
)
def test_what_is_not_the_products_fault_is_not_refused(error: Exception, request_for: RequestFor) -> None:
    assert Book().refuse(request_for(), error) == []


def test_another_revision_is_tried_and_refused_in_its_place(request_for: RequestFor) -> None:
    book, renamed = Book(), request_for(title="Tin Mug")
    book.refuse(request_for(), BlockedProduct("says gun", "words"))
    assert book.refusal_of(request_for()) is not None
    assert book.refusal_of(renamed) is None
    assert book.refuse(renamed, BlockedProduct("says gun", "words")) == ["p1/*"]
    assert book.held["p1/*"].rev == renamed.product.rev


def test_missing_letters_are_not_tried_with_the_same_fonts_and_are_with_others(request_for: RequestFor) -> None:
    book = Book()
    book.refuse(request_for(), NoFontForScript("no font", "陶"))
    assert book.refusal_of(request_for()) is not None
    other = Book(fonts="0" * 16)
    other.held |= book.held
    assert other.refusal_of(request_for()) is None


def test_a_start_withdraws_letters_that_it_has_and_defects_of_other_versions(request_for: RequestFor) -> None:
    book = Book()
    book.refuse(request_for("p1"), NoFontForScript("no font", "陶"))
    book.refuse(request_for("p2"), NoFontForScript("no font", "ع"))
    book.refuse(request_for("p3"), BlockedProduct("says gun", "words"))
    book.refuse(request_for("p4"), ValueError("boom"))
    assert book.to_try_again() == [], "its own"
    other = Book(fonts="0" * 16, letters="陶")
    other.held |= book.held
    other.held["p5/en"] = Refusal(
        product_id="p5", locale="en", rev="0" * 16, code="unmakeable", reason="?", refused_at=1, version="0.0.1"
    )
    assert version("bannerstream") != "0.0.1"
    assert other.apply(other.to_try_again()) == ["p1/en", "p5/en"]
    assert list(other.held) == ["p2/en", "p3/*", "p4/en"]


def test_a_banner_that_is_made_withdraws_what_it_proves_wrong(fakes: Fakes, request_for: RequestFor) -> None:
    made = the_one(fakes.pipeline().make([request_for()]))
    again = the_one(fakes.pipeline().make([request_for()]))
    assert again.reused

    def withdrawn(error: Exception, banner: MadeBanner, request: BannerRequest | None = None) -> list[str]:
        book = Book()
        book.refuse(request or request_for(), error)
        return book.apply(book.records([banner], NOW))

    letters = NoFontForScript("no font", "陶")
    assert withdrawn(letters, made) == ["p1/en"]
    assert withdrawn(letters, again) == [], "another generator made it"
    assert withdrawn(ValueError("boom"), again) == ["p1/en"]
    assert withdrawn(BlockedProduct("no", "words"), made) == []
    assert withdrawn(letters, made, request_for(title="Tin Mug")) == [], "of another revision"


def test_a_banner_of_another_cohort_does_not_withdraw_a_defect(fakes: Fakes, request_for: RequestFor) -> None:
    """Else two cohorts would take turns: one withdraws, the other refuses again."""
    book = Book()
    book.refuse(request_for(), ValueError("boom"))
    made = the_one(fakes.pipeline().make([request_for(cohort_id="sporty")]))
    refused = book.held["p1/en"]
    book.held["p1/en"] = Refusal(
        **{name: getattr(refused, name) for name in refused.__struct_fields__} | {"rev": made.request.product.rev}
    )
    assert book.records([made], NOW) == []


def test_blocks_of_earlier_versions_move_to_the_topic_unless_it_has_newer_ones(request_for: RequestFor) -> None:
    book = Book()
    book.refuse(request_for("p1"), BlockedProduct("says gun", "words"))
    blocks = [
        Block(product_id=product_id, product_rev="1" * 16, gate="picture", reason="nude", blocked_at=7)
        for product_id in ("p1", "p2")
    ]
    assert book.apply(book.moved(blocks)) == ["p2/*"]
    moved = book.held["p2/*"]
    assert (moved.rev, moved.code, moved.reason, moved.refused_at) == ("1" * 16, "picture", "nude", 7)
