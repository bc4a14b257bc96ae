"""The grammar of what services say to each other: `Call[Reply]`, `Event`, `Envelope`, `Client`.

A call or an event is a class; its address, reply type, retry rule, schema and documentation come from that one
definition::

    class ValidateProducts(Call[ProductsValidated], to="product", callers=("order",), repeatable=True): ...
    class OrderCreated(Event, topic="order.created", key="order_id"): ...
"""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, Protocol, TypeVar, dataclass_transform, get_args
from uuid import UUID

from msgspec import Meta, Raw, Struct, StructMeta

Reply = TypeVar("Reply")
_WORD_START: Final = re.compile(r"(?<!^)(?=[A-Z])")


def kebab(name: str) -> str:
    """Return `ValidateProducts` as `validate-products`."""
    return _WORD_START.sub("-", name).lower()


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _CallMeta(StructMeta):
    """Takes the words behind a call's class name; msgspec's own metaclass knows none but its options."""

    to: str
    callers: tuple[str, ...]
    idempotent: bool
    name: str
    path: str
    reply: type[Any]

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        to: str = "",
        callers: tuple[str, ...] = (),
        idempotent: bool = False,
        **options: Any,  # noqa: ANN401
    ) -> "_CallMeta":
        cls = super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True, **options)
        if to:
            cls.to = to
            cls.callers = callers
            cls.idempotent = idempotent
            cls.name = kebab(name)
            cls.path = f"/{to}/internal/{cls.name}"
            cls.reply = get_args(namespace["__orig_bases__"][0])[0]
        return cls

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_words: Any) -> None:  # noqa: ANN401
        super().__init__(name, bases, namespace)


class Call(Struct, Generic[Reply], metaclass=_CallMeta):
    """A question or an order from one service to another, answered with a `Reply`.

    `repeatable` says that doing it twice is the same as doing it once: only then is it ever retried.
    `callers` are the services that may make it; the callee refuses any other.
    """

    to: ClassVar[str]
    callers: ClassVar[tuple[str, ...]]
    idempotent: ClassVar[bool]
    name: ClassVar[str]
    path: ClassVar[str]
    reply: ClassVar[type[Any]]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _EventMeta(StructMeta):
    """Takes `topic`, `key` and `schema_version` behind an event's class name."""

    topic: str
    key: str
    schema_version: int

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        topic: str = "",
        key: str = "",
        schema_version: int = 1,
        **options: Any,  # noqa: ANN401
    ) -> "_EventMeta":
        cls = super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True, **options)
        if topic:
            cls.topic = topic
            cls.key = key
            cls.schema_version = schema_version
        return cls

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_words: Any) -> None:  # noqa: ANN401
        super().__init__(name, bases, namespace)


class Event(Struct, metaclass=_EventMeta):
    """Something that has happened; `key` names the field by which order is kept."""

    topic: ClassVar[str]
    key: ClassVar[str]
    schema_version: ClassVar[int]


class Envelope(Struct, frozen=True, kw_only=True):
    """An event on its way: CloudEvents 1.0 attributes, and what ties it to its cause.

    `key` orders it among its like; `data` is the event itself, as JSON.
    """

    id: UUID
    """The same wherever and however often it arrives."""
    type: str
    """The topic."""
    source: str
    """The service that published it."""
    time: datetime
    """When it was published, in UTC."""
    key: str
    """Events of one key stay in order."""
    schema_version: int
    """How often this event has come to say more, counted from 1."""
    correlation_id: str
    """The request that all this began with."""
    causation_id: str
    """The event or request that this one came of."""
    traceparent: str
    """Where it is in its trace (W3C Trace Context)."""
    data: Annotated[Raw, Meta(examples=[{"product_id": "01920000-0000-7000-8000-000000000001"}])]
    """The event itself, as JSON."""


class LoggedEvent(Struct, frozen=True):
    """An event in the log of the service that published it, and where it stands there."""

    position: int
    envelope: Envelope


class EventsRead(Struct, frozen=True):
    """A part of a service's event log, in order; `last` is the position at which the log ends."""

    events: list[LoggedEvent]
    last: int


class Send(Protocol):
    """What a client needs in order to speak: something that carries a call and brings its reply."""

    async def __call__(self, call: Call[Reply]) -> Reply:
        """Carry the call to its service and return the reply, or raise an `AppError`."""
        ...


class Client:
    """The base of the thin, typed clients; a service declares in `deps.py` which of them it needs."""

    service: ClassVar[str]

    def __init__(self, send: Send) -> None:
        """Speak through `send`."""
        self._send = send
