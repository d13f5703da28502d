"""Validates what pages report and makes Kafka records of it: events in the native input format, and feedback."""

import math
import time
import uuid
from collections.abc import Callable, Container, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from bannerstream.broker.publisher import Outgoing, outgoing
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs.native import NativeEvent
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.contracts.messages import Feedback
from bannerstream.contracts.scalars import EventId, ProductId, SizeName
from bannerstream.contracts.times import MAX_EPOCH_MS, epoch_ms
from bannerstream.edge.errors import ContentTooLarge, InvalidRequest, PagePurchase, RateLimited, UnknownProduct
from bannerstream.edge.feedback_tokens import FeedbackTokens, ReplayGuard
from bannerstream.service.rate_limit import RateLimit
from bannerstream.settings import Settings

SOURCE = "bannerstream/edge"
"""CloudEvents `source` of these records."""

MAX_FEEDBACK_TOKEN_CHARS = 2048


class PageEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visitor's event as a page reports it. The visitor is taken from the token."""

    type: Literal["view", "click", "cart", "purchase"]
    product_id: ProductId | None = None
    """Either this or `product_ids`."""
    product_ids: Annotated[tuple[ProductId, ...], Meta(min_length=1, max_length=100)] | None = None
    event_id: EventId | None = None
    """Generated if absent. With one, a repeated event counts once."""
    time: (
        Annotated[float, Meta(ge=0, le=MAX_EPOCH_MS, description="Epoch milliseconds, UTC")]
        | Annotated[str, Meta(max_length=40, description="RFC 3339 with its time zone")]
        | None
    ) = None
    """Default: now. A time in the future is replaced by now."""
    age_ms: Annotated[float, Meta(ge=0, le=MAX_EPOCH_MS)] | None = None
    """Instead of `time`: the event's age when it was sent. Correct even if the visitor's clock is wrong.

    A fraction, of a clock finer than a millisecond, is cut.
    """


class PageFeedback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An impression or a click of a delivered banner."""

    token: Annotated[str, Meta(min_length=1, max_length=MAX_FEEDBACK_TOKEN_CHARS)]
    """The field `feedback` of the delivered banner."""
    kind: Literal["impression", "click"]
    size: SizeName
    click_to_visible_ms: Annotated[float, Meta(ge=0, le=600_000)] | None = None


_T = TypeVar("_T")
_events = msgspec.json.Decoder(PageEvent | list[PageEvent])
_feedback = msgspec.json.Decoder(PageFeedback)


def check_formats(settings: Settings) -> None:
    """Check that streams can read the events that the edge writes.

    Raises:
        ConfigurationError: an input topic is set to another format.
    """
    for name, form in (("clicks", settings.input.clicks_format), ("purchases", settings.input.purchases_format)):
        if form not in {"auto", "native"}:
            raise ConfigurationError(
                f'input.{name}_format is {form}, but the edge writes native events to {name}: set "auto" or "native", '
                "or set other topics for the edge (kafka.topics)"
            )


def read_events(body: bytes, max_batch: int) -> Sequence[PageEvent]:
    """Return the events of a request: one object, or an array of them.

    Raises:
        InvalidRequest: the body is not JSON or does not validate; the message names the field.
        ContentTooLarge: more than `max_batch` events.
    """
    read = _decoded(body, _events)
    events = read if isinstance(read, list) else [read]
    if not events:
        raise InvalidRequest("the array holds no event")
    if len(events) > max_batch:
        raise ContentTooLarge(f"{len(events)} events in one request; at most {max_batch} are accepted")
    return events


def read_feedback(body: bytes) -> PageFeedback:
    """Return the feedback of a request.

    Raises:
        InvalidRequest: the body is not JSON or does not validate; the message names the field.
    """
    return _decoded(body, _feedback)


class ReportRecords:
    """Makes Kafka records of events and feedback.

    `now`: epoch seconds. `products`: the ids of the catalogue's products, or None while the edge has none.
    """

    def __init__(
        self,
        settings: Settings,
        tokens: FeedbackTokens,
        replay_guard: ReplayGuard,
        rate: RateLimit,
        now: Callable[[], float] = time.time,
        *,
        products: Callable[[], Container[str] | None] = lambda: None,
    ) -> None:
        self._page_purchases = settings.edge.page_purchases
        self._products = products
        self._topics = settings.kafka.topic_table()
        self._max_age_ms = round(settings.input.max_age_days * 86_400_000)
        self._max_products = settings.input.max_products
        self._max_record_bytes = settings.input.max_record_bytes
        self._tokens = tokens
        self._replay_guard = replay_guard
        self._rate = rate
        self._now = now

    def check(self, events: Sequence[PageEvent]) -> None:
        """Check that a page may report these events.

        Raises:
            PagePurchase: one is a purchase, and the shop takes none from pages.
            UnknownProduct: one has a product that the catalogue does not have.
        """
        known = self._products()
        for index, event in enumerate(events):
            if event.type == "purchase" and not self._page_purchases:
                raise PagePurchase(
                    "pages may not report purchases here: let the shop's server write them to Kafka, "
                    f"or set edge.page_purchases = true - at `$[{index}]`"
                )
            for product_id in (*(event.product_ids or ()), *filter(None, [event.product_id])):
                if known is not None and product_id not in known:
                    raise UnknownProduct(f"the catalogue has no product {product_id!r} - at `$[{index}]`")

    def event_records(self, user_id: str, events: Sequence[PageEvent]) -> tuple[list[Outgoing], list[str]]:
        """Return the records of a visitor's events, and the id of each event.

        Raises:
            InvalidRequest: an event has no product, or `product_id` and `product_ids`, or two times, is too old, or is
                larger than streams accepts.
        """
        now_ms = int(self._now() * 1000)
        natives = [self._native(user_id, index, event, now_ms) for index, event in enumerate(events)]
        records = [self._outgoing(index, native) for index, native in enumerate(natives)]
        return records, [native.event_id for native in natives]

    def feedback_record(self, feedback: PageFeedback) -> tuple[Outgoing, Feedback, Callable[[], None]]:
        """Return the record of a report, the report, and a function that releases it if it could not be written.

        Raises:
            Forbidden: the token was not signed by this edge.
            Replayed: the token has expired, or the report was accepted before.
            RateLimited: too many reports with this visitor's tokens.
            InvalidRequest: the banner was not delivered in this size.
        """
        delivery = self._tokens.read(feedback.token)
        if wait_s := self._rate.wait_s(delivery.user_key.hex()):
            raise RateLimited("too much feedback of this visitor", retry_after_s=math.ceil(wait_s))
        if not delivery.has(feedback.size):
            raise InvalidRequest(f"the banner was not delivered in {feedback.size} - at `$.size`")
        event_id = delivery.event_id(feedback.kind, feedback.size)
        self._replay_guard.take(event_id, delivery.expires_at_s)
        now_ms = int(self._now() * 1000)
        shown_ms = feedback.click_to_visible_ms
        banner_key = delivery.banner_key.hex()
        message = Feedback(
            event_id=event_id,
            banner_key=banner_key,
            kind=feedback.kind,
            size=feedback.size,
            variant=delivery.variant,
            occurred_at=now_ms,
            cohort_id=delivery.cohort or None,
            product_id=delivery.product_id or None,
            engine=None if delivery.tier == "default" else delivery.tier,
            epoch=delivery.epoch or None,
            click_to_visible_ms=None if shown_ms is None else round(shown_ms),
        )
        event = CloudEvent(id=event_id, type="banner.feedback", source=SOURCE, time=now_ms, subject=banner_key)
        record = outgoing(self._topics.feedback.name, banner_key, message, event)
        return record, message, lambda: self._replay_guard.release(event_id, delivery.expires_at_s)

    def _native(self, user_id: str, index: int, event: PageEvent, now_ms: int) -> NativeEvent:
        where = f"`$[{index}]`"
        if (event.product_id is None) == (event.product_ids is None):
            raise InvalidRequest(f"exactly one of `product_id` and `product_ids` is required - at {where}")
        if len(event.product_ids or ()) > self._max_products:
            raise InvalidRequest(
                f"more than {self._max_products} products (input.max_products) - at {where}.product_ids"
            )
        time_ms = self._time_ms(event, now_ms, where)
        return NativeEvent(
            event_id=event.event_id or uuid.uuid4().hex,
            user_id=user_id,
            product_id=msgspec.UNSET if event.product_id is None else event.product_id,
            product_ids=msgspec.UNSET if event.product_ids is None else event.product_ids,
            time=time_ms,
            kind=InteractionKind(event.type),
        )

    def _time_ms(self, event: PageEvent, now_ms: int, where: str) -> int:
        """Return the event's time, at most now by this machine's clock: a visitor's clock may be wrong by years."""
        if event.time is not None and event.age_ms is not None:
            raise InvalidRequest(f"at most one of `time` and `age_ms` is allowed - at {where}")
        try:
            if event.time is None:
                reported_ms = now_ms - int(event.age_ms or 0)
            else:
                reported_ms = epoch_ms(event.time if isinstance(event.time, str) else int(event.time))
        except ValueError as error:
            raise InvalidRequest(f"{error} - at {where}.time") from error
        if now_ms - reported_ms > self._max_age_ms:
            raise InvalidRequest(f"the event is older than input.max_age_days - at {where}")
        return min(reported_ms, now_ms)

    def _outgoing(self, index: int, event: NativeEvent) -> Outgoing:
        topic = self._topics.purchases if event.kind is InteractionKind.PURCHASE else self._topics.clicks
        value = encode(event)
        if len(value) > self._max_record_bytes:
            raise InvalidRequest(
                f"the event has {len(value)} bytes; at most {self._max_record_bytes} are accepted "
                f"(input.max_record_bytes) - at `$[{index}]`"
            )
        return Outgoing(topic.name, event.user_id.encode(), value, [])


def _decoded(body: bytes, decoder: "msgspec.json.Decoder[_T]") -> _T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(str(error)) from error
