"""The types of messages between services: `Call[Reply]`, `Event`, `Envelope`, `Client`.

Path, reply type, retry rule, schema and documentation of a message are derived from its class::

    class ValidateProducts(
        Call[ProductsValidated], to="product", name="validate-products", callers=("order",), idempotent=True
    ): ...

    class OrderCreated(Event, topic="order.created", key="order_id"): ...
"""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, Generic, Protocol, TypeVar, dataclass_transform, get_args
from uuid import UUID

from msgspec import Meta, Raw, Struct, StructMeta

from nextbuy.contracts.values import EventPosition, LogPosition, Timestamp, Topic

Reply = TypeVar("Reply")
MAX_EVENTS_READ: Final = 1_000
"""Events per part of an event log."""
_ID = "01920000-0000-7000-8000-000000000001"


@dataclass_transform(kw_only_default=True, frozen_default=True)
class CallMeta(StructMeta):
    """The metaclass of calls; takes the keywords of the class statement, which msgspec's metaclass would refuse."""

    to: str
    name: str
    callers: tuple[str, ...]
    idempotent: bool
    path: str
    reply: type[Any]

    def __new__(  # noqa: D102, PLR0913  the keywords of a class statement
        mcls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        to: str = "",
        name: str = "",
        callers: tuple[str, ...] = (),
        idempotent: bool = False,
        **options: Any,  # noqa: ANN401
    ) -> "CallMeta":
        cls = super().__new__(mcls, class_name, bases, namespace, frozen=True, kw_only=True, **options)
        if to:
            if not name:
                message = f"{class_name} has no name; the name is the last part of its path"
                raise TypeError(message)
            cls.to = to
            cls.name = name
            cls.callers = callers
            cls.idempotent = idempotent
            cls.path = f"/{to}/internal/{name}"
        if bases != (Struct, Generic) and "__orig_bases__" in namespace:
            cls.reply = get_args(namespace["__orig_bases__"][0])[0]
        return cls


class Call(Struct, Generic[Reply], metaclass=CallMeta):
    """A query or a command from one service to another, answered with a `Reply`.

    `name` is the last part of its path. Only an `idempotent` call is ever retried. `callers` are the services that may
    make it; the callee refuses every other.
    """

    to: ClassVar[str]
    name: ClassVar[str]
    callers: ClassVar[tuple[str, ...]]
    idempotent: ClassVar[bool]
    path: ClassVar[str]
    reply: ClassVar[type[Any]]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _EventMeta(StructMeta):
    """The metaclass of events; takes the keywords of the class statement, which msgspec's metaclass would refuse."""

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
        cls = super().__new__(mcls, name, bases, namespace, frozen=True, **{"kw_only": True, **options})
        if topic:
            cls.topic = topic
            cls.key = key
            cls.schema_version = schema_version
        return cls


class Event(Struct, metaclass=_EventMeta):
    """A fact that a service publishes; `key` names the field whose equal values are delivered in order."""

    topic: ClassVar[str]
    key: ClassVar[str]
    schema_version: ClassVar[int]


class Envelope(Struct, frozen=True, kw_only=True):
    """A published event with its CloudEvents 1.0 attributes and its trace."""

    id: Annotated[UUID, Meta(description="The same in every delivery.")]
    type: Annotated[Topic, Meta(description="The topic.")]
    source: Annotated[str, Meta(max_length=100, description="The service that published it.")]
    time: Annotated[Timestamp, Meta(description="When it was published, in UTC.")]
    key: Annotated[str, Meta(max_length=255, description="Events with the same key are delivered in order.")]
    schema_version: Annotated[
        int, Meta(ge=1, le=10_000, description="The version of the event's schema, counted from 1.")
    ]
    correlation_id: Annotated[str, Meta(max_length=200, description="The request that started the chain of events.")]
    causation_id: Annotated[str, Meta(max_length=200, description="The event or request that caused this one.")]
    traceparent: Annotated[str, Meta(max_length=200, description="Its position in the trace (W3C Trace Context).")]
    data: Annotated[Raw, Meta(description="The event itself, as JSON.", examples=[{"product_id": _ID}])]


class LoggedEvent(Struct, frozen=True):
    """An entry of a service's event log, and its position there."""

    position: EventPosition
    envelope: Envelope


class EventsRead(Struct, frozen=True):
    """A part of a service's event log, in order; `last` is the position at which the log ends."""

    events: Annotated[list[LoggedEvent], Meta(max_length=MAX_EVENTS_READ)]
    last: LogPosition


class ReplyMismatch(Exception):
    """A reply does not fit its call: `field` is the path of the wrong field, `value` its value."""

    def __init__(self, field: str, value: object) -> None:
        super().__init__(f"{field} = {value!r}")
        self.field = field
        self.value = value


Check = Callable[[Reply], None]
"""A function that raises ReplyMismatch if a reply does not fit its call."""


class Send(Protocol):
    """A function that sends a call to its service."""

    async def __call__(self, call: Call[Reply], check: Check[Reply] | None = None, /) -> Reply:
        """Send the call and return its reply, which has passed `check`.

        Raises:
            AppError: the callee refused the call, did not reply, or sent an invalid reply (`bad-answer`).
        """
        ...


class Client:
    """The base of the typed clients; a service declares in `deps.py` which of them it needs."""

    service: ClassVar[str]

    def __init__(self, send: Send) -> None:
        """Make calls through `send`."""
        self._send = send
