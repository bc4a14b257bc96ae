"""GET /kafka/api/traces/{id}: the story of any id, over all processes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Page, Timestamp
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.traces.story import MAX_ID, find_story
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability.interaction import Interaction

TraceNotFound = NotFound.of(
    "trace-not-found", "Nothing is known about this id. Check it; traces are deleted after some days."
)


class TraceRequest(Struct, frozen=True):
    """The id of an order, session, payment, event, product, account, request or trace, or the number of an order."""

    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID)]


class TracedInteraction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message between client, services or bus. A consumed event has one for each subscription."""

    at: Timestamp
    service: Annotated[str, Meta(description="The service that logged it.")]
    kind: Annotated[str, Meta(examples=["call"])]
    caller: str
    callee: str
    name: str
    subscription: Annotated[str, Meta(description="Of a consumed event.")] = ""
    attempt: int
    outcome: Annotated[str, Meta(description="`ok`, or the slug of the problem.")]
    status: int
    reason: Annotated[str, Meta(description="Why it failed, with its causes.")] = ""
    took_ms: float
    ids: dict[str, list[str]]
    trace_id: str
    span_id: str
    parent_id: str
    correlation_id: str
    links: Annotated[list[str], Meta(description="Other traces that it is part of.")] = []
    carrier: Annotated[str, Meta(description="Of a published event: the engine that carries it.")] = ""


async def traces(deps: Deps, caller: Caller, request: TraceRequest) -> Page[TracedInteraction]:
    """Show the story of an id: every request, call and event about it, in order of time.

    Raises:
        NotFound: no interaction with this id is stored (`trace-not-found`).
    """
    await deps.auth.validate_admin(caller)
    story = await find_story(deps.database, request.id)
    if not story:
        raise TraceNotFound(
            f"Nothing is known about this id. Check it; traces are deleted after {deps.settings.trace_days:g} days."
        )
    return Page([item for one in story for item in _items(one)])


def _items(one: Interaction) -> Iterator[TracedInteraction]:
    for subscription, outcome in one.subscriptions.items() or [("", one.outcome)]:
        yield TracedInteraction(
            at=datetime.fromtimestamp(one.at, UTC),
            service=one.logged_by,
            kind=one.kind,
            caller=one.caller,
            callee=one.callee,
            name=one.name,
            subscription=subscription,
            attempt=one.attempt,
            outcome=outcome,
            status=one.status,
            reason=one.reason,
            took_ms=one.ms,
            ids=one.ids,
            trace_id=one.trace_id,
            span_id=one.span_id,
            parent_id=one.parent_id,
            correlation_id=one.correlation_id,
            links=one.links,
            carrier=one.carrier,
        )
