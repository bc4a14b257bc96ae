"""Delivery of events: the call by which the kafka service hands events to a service that subscribes to them."""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Annotated, Final, cast

from msgspec import Meta, Raw, Struct

from nextbuy.contracts.checks import require
from nextbuy.contracts.message import Call, CallMeta, Client
from nextbuy.contracts.values import MAX_SUBSCRIPTIONS, FailureText, SubscriptionName

MAX_EVENTS: Final = 500
"""Events per call."""
MAX_BYTES: Final = 512 * 1024
"""Bytes of envelopes per call of several events; a single event may be larger."""


class EventEntry(Struct, frozen=True, omit_defaults=True):
    """An event for one or more subscriptions of the destination.

    Position and reason have no bound here: a wrong one must fail this event alone, not the whole call.
    """

    envelope: Annotated[Raw, Meta(description="The envelope as published, as JSON.")]
    subscriptions: Annotated[list[SubscriptionName], Meta(max_length=MAX_SUBSCRIPTIONS)]
    position: Annotated[int, Meta(description="Its position in its publisher's event log, counted from 1.")]
    reject: Annotated[str, Meta(description="Why the kafka service gives up; no handler runs.")] = ""
    replay: Annotated[bool, Meta(description="Whether a rejected event is tried again.")] = False


class Outcome(StrEnum):
    """The outcome of delivering one event to one subscription."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    """The destination has no such subscription to this type of event."""
    RETRY = "retry"
    """Nothing is stored. The same event, and later ones of its topic, are to be sent again."""
    REJECTED = "rejected"
    """The event can never be applied; its inbox row holds the reason."""


class Result(Struct, frozen=True, omit_defaults=True):
    """The outcome for one subscription, and the reason of a failure."""

    outcome: Outcome
    reason: FailureText = ""
    errors: Annotated[
        list[FailureText], Meta(max_length=100, description="The error and its causes, outermost first.")
    ] = []


class EventsReceived(Struct, frozen=True):
    """For each entry, in order: one result per subscription, in the order of the entry."""

    results: Annotated[list[Annotated[list[Result], Meta(max_length=MAX_SUBSCRIPTIONS)]], Meta(max_length=MAX_EVENTS)]


class ReceiveEvents(Call[EventsReceived]):
    """Apply events, each once per subscription; each destination has a subclass."""

    entries: Annotated[list[EventEntry], Meta(max_length=MAX_EVENTS)]


@cache
def receive_events_of(service: str) -> type[ReceiveEvents]:
    """Return the call that delivers events to a service."""
    namespace = {"__doc__": ReceiveEvents.__doc__, "__module__": __name__}
    call = CallMeta(
        f"Receive{service.title()}Events",
        (ReceiveEvents,),
        namespace,
        to=service,
        name="receive-events",
        callers=("kafka",),
    )
    return cast("type[ReceiveEvents]", call)


class DeliveryClient(Client):
    """A client of every service that subscribes to events."""

    async def receive_events(self, destination: str, entries: Sequence[EventEntry]) -> EventsReceived:
        """Deliver events to a service and return the results.

        Raises:
            AppError: the destination refused the call or did not answer; some of the events may be applied.
        """

        def check(reply: EventsReceived) -> None:
            require(len(reply.results) == len(entries), "results", len(reply.results))
            for index, (results, entry) in enumerate(zip(reply.results, entries, strict=True)):
                require(len(results) == len(entry.subscriptions), f"results[{index}]", len(results))

        return await self._send(receive_events_of(destination)(entries=list(entries)), check)
