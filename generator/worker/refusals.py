"""What this generator cannot make, published to `banner.refusals`; and what others could not make, read from there.

Streams takes a visitor's next best product instead. A refusal of another revision of the product is passed over, so a
product that is loaded again is tried again. Gates' refusals hold until then, whatever becomes of the list of words.
Missing letters hold for generators with the same fonts, a defect (`unmakeable`) for the same version: another generator
withdraws such refusals when it starts, as soon as it has a font for the letters. Making a banner withdraws them, too.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version

from bannerstream.broker.lasting_view import LastingView
from bannerstream.broker.publisher import Outgoing, outgoing
from bannerstream.contracts.catalog import content_rev
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.keys import refusal_key
from bannerstream.contracts.manifest import Block
from bannerstream.contracts.messages import ALL_LOCALES, BannerRequest, Refusal, RefusalCode
from bannerstream.contracts.refusals import GATE_CODES, refusal_of
from bannerstream.generator.errors import BlockedProduct, NoFontForScript, PaintingFailed, PictureUnreadable
from bannerstream.generator.layout.fonts import fonts_at_hand, has_letters
from bannerstream.generator.pipeline.fallbacks import MAX_REASON
from bannerstream.generator.pipeline.pipeline import BannerOutcome, MadeBanner, UnmakeableBanner
from bannerstream.settings import KafkaSettings

SOURCE = "bannerstream/generator"
"""CloudEvents source of refusals."""


class RefusalBook:
    """The refusals that hold now, and the records that the results of requests add to them.

    `fonts` is the hash of this process's fonts, `has_letters` says whether they have all letters of a text.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        fonts: Callable[[], str] = fonts_at_hand,
        has_letters: Callable[[str], bool] = has_letters,
    ) -> None:
        self._topic = kafka.topic_table().refusals.name
        self._fonts = fonts
        self._has_letters = has_letters
        self.view = LastingView(kafka, self._topic, _refusal)

    def refusal_of(self, request: BannerRequest) -> Refusal | None:
        """Return the refusal because of which a request need not be tried, or None. May be called from any thread."""
        refusal = self._known(request)
        if refusal is None or refusal.code in GATE_CODES:
            return refusal
        return refusal if refusal.code == "letters" and refusal.fonts == self._fonts() else None

    def records(self, outcomes: Iterable[BannerOutcome], now_ms: int) -> list[Outgoing]:
        """Return what these results add to the topic and delete from it."""
        records: list[Outgoing] = []
        for outcome in outcomes:
            if isinstance(outcome, UnmakeableBanner):
                # One that is known, too: the topic may have been lost, and the request says that streams does not know.
                if (refusal := self._refusal_for(outcome, now_ms)) is not None:
                    records.append(self._added(refusal))
            elif (withdrawn := self._withdrawn_by(outcome)) is not None:
                records.append(self._deleted(withdrawn))
        return records

    def to_try_again(self) -> list[Outgoing]:
        """Return what deletes the refusals that this process may not share: other fonts or another version made them.

        Opens font files: call it from a thread.
        """
        return [self._deleted(refusal) for refusal in list(self.view.values.values()) if self._may_differ(refusal)]

    def moved(self, blocks: Sequence[Block]) -> list[Outgoing]:
        """Return the refusals of blocks that earlier versions kept in the bucket, unless the topic has newer ones."""
        return [
            self._added(
                Refusal(
                    product_id=block.product_id,
                    locale=ALL_LOCALES,
                    rev=block.product_rev,
                    code=block.gate,
                    reason=block.reason,
                    refused_at=block.blocked_at,
                )
            )
            for block in blocks
            if refusal_key(block.product_id, ALL_LOCALES) not in self.view.values
        ]

    def _known(self, request: BannerRequest) -> Refusal | None:
        product = request.product
        return refusal_of(self.view.values, product.product_id, _rev(request), request.locale)

    def _may_differ(self, refusal: Refusal) -> bool:
        if refusal.code == "letters":
            return refusal.fonts != self._fonts() and self._has_letters(refusal.letters)
        return refusal.code == "unmakeable" and refusal.version != version("bannerstream")

    def _refusal_for(self, outcome: UnmakeableBanner, now_ms: int) -> Refusal | None:
        """Return the refusal of a request that cannot be fulfilled, or None where the product is not at fault."""
        request, error = outcome.request, outcome.error
        code: RefusalCode = "unmakeable"
        letters = fonts = ""
        match error:
            case BlockedProduct():
                code = error.gate
            case NoFontForScript():
                code, letters, fonts = "letters", error.letters, self._fonts()
            case PaintingFailed() | PictureUnreadable() | ServiceUnavailable() | MemoryError():
                return None  # a model, a store or a machine fails: streams asks again for what never became ready
        reason = str(error) if code != "unmakeable" else f"{type(error).__name__}: {error}"
        return Refusal(
            product_id=request.product.product_id,
            locale=ALL_LOCALES if code in GATE_CODES else request.locale,
            rev=_rev(request),
            code=code,
            reason=reason[:MAX_REASON] or code,
            refused_at=now_ms,
            banner_key=request.banner_key,
            letters=letters,
            fonts=fonts,
            version=version("bannerstream"),
        )

    def _withdrawn_by(self, made: MadeBanner) -> Refusal | None:
        """Return the refusal that a banner proves wrong: this process had the letters, or made the very banner.

        A stored banner proves nothing of letters: another generator made it.
        """
        refusal = self._known(made.request)
        if refusal is None or refusal.code in GATE_CODES:
            return None
        if refusal.code == "letters":
            return None if made.reused else refusal
        return refusal if refusal.banner_key == made.request.banner_key else None

    def _added(self, refusal: Refusal) -> Outgoing:
        key = refusal_key(refusal.product_id, refusal.locale)
        event = CloudEvent(
            id=f"{key}:{refusal.rev}:{refusal.code}",
            type="banner.refused",
            source=SOURCE,
            time=refusal.refused_at,
            subject=key,
        )
        return outgoing(self._topic, key, refusal, event)

    def _deleted(self, refusal: Refusal) -> Outgoing:
        return Outgoing(self._topic, refusal_key(refusal.product_id, refusal.locale).encode(), None, [])


def _refusal(payload: bytes) -> Refusal:
    return decode(payload, Refusal)


def _rev(request: BannerRequest) -> str:
    return request.product.rev or content_rev(request.product)
