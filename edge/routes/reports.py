"""Reports of pages: `/v1/events` and `/v1/feedback`. A response of 202 means that Kafka has acknowledged them."""

import msgspec
from fastapi import APIRouter, Request, Response

from bannerstream.edge import openapi
from bannerstream.edge.errors import HttpError, Overloaded, RateLimited
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.report_records import read_events, read_feedback


def report_routes(edge: EdgeNode) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["reports"])
    max_batch = edge.settings.edge.max_batch

    @router.post("/v1/events", status_code=202, responses=openapi.EVENTS, openapi_extra=openapi.EVENTS_BODY)
    async def events(request: Request) -> Response:
        """Accept a visitor's events: one or an array. Either all are accepted or none."""
        visitor = edge.identity.visitor(request, cost=0)  # events cost, however they are batched
        try:
            reported = read_events(await request.body(), max_batch)
            edge.report_records.check(reported)
        except HttpError:
            edge.identity.charge(visitor, 1)
            raise
        edge.identity.charge(visitor, len(reported))
        records, ids = edge.report_records.event_records(visitor.user_id, reported)
        await edge.outbox.write(records)
        for event in reported:
            edge.metrics.events.labels(event.type).inc()
        return _accepted({"accepted": len(ids), "event_ids": ids})

    @router.post("/v1/feedback", status_code=202, responses=openapi.FEEDBACK, openapi_extra=openapi.FEEDBACK_BODY)
    async def feedback(request: Request) -> Response:
        """Accept an impression or a click of a delivered banner. The token is valid once for each kind and size."""
        record, report, release = edge.report_records.feedback_record(read_feedback(await request.body()))
        try:
            await edge.outbox.write([record])
        except (Overloaded, RateLimited):
            release()
            raise
        edge.metrics.feedback.labels(report.kind).inc()
        if report.click_to_visible_ms is not None:
            edge.metrics.click_to_visible.observe(report.click_to_visible_ms / 1000)
        return _accepted({"accepted": 1, "event_id": report.event_id})

    return router


def _accepted(body: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(body), 202, {"Cache-Control": "no-store"}, "application/json")
