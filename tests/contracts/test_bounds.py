"""Every field of every event, call and reply is bounded, so that its reader can store whatever it accepts."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct, inspect

from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.registry import CALLS, EVENTS
from nextbuy.contracts.traces import TraceKey
from nextbuy.contracts.values import MAX_INTEGER

_COMPOUND = (inspect.Metadata, inspect.UnionType, inspect.StructType, inspect.ListType, inspect.DictType)
_UNBOUNDED_IS_FINE = (
    inspect.NoneType,
    inspect.BoolType,
    inspect.UUIDType,
    inspect.DateTimeType,
    inspect.EnumType,
    inspect.LiteralType,
    inspect.RawType,
)
_HASH = inspect.type_info(TraceKey)
"""A hash that only our own code reads."""
_JUDGED_ALONE = frozenset({".entries[].position", ".entries[].reject"})
"""Fields of `ReceiveEvents` that the receiver checks event by event, since one wrong value must not stop the others."""


def unbounded(kind: inspect.Type, path: str) -> Iterator[str]:
    """Yield the path of each part of a type that has no bound, or one beyond what a column holds."""
    if not isinstance(kind, _COMPOUND) and not _is_bounded(kind):
        yield path
    if isinstance(kind, inspect.ListType | inspect.DictType) and kind.max_length is None:
        yield path
    for part, name in _parts(kind):
        yield from unbounded(part, path + name)


def _is_bounded(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.StrType | inspect.BytesType):
        return kind.max_length is not None
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return kind.ge is not None and kind.le is not None and (kind == _HASH or _is_exact(kind.ge, kind.le))
    return isinstance(kind, _UNBOUNDED_IS_FINE)


def _is_exact(lowest: float, highest: float) -> bool:
    """Return whether JSON carries a range of numbers exactly to every reader."""
    return -MAX_INTEGER <= lowest <= highest <= MAX_INTEGER


def _parts(kind: inspect.Type) -> list[tuple[inspect.Type, str]]:
    match kind:
        case inspect.Metadata():
            return [(kind.type, "")]
        case inspect.UnionType():
            return [(one, "") for one in kind.types]
        case inspect.StructType():
            return [(field.type, f".{field.name}") for field in kind.fields]
        case inspect.ListType():
            return [(kind.item_type, "[]")]
        case inspect.DictType():
            return [(kind.key_type, "{}"), (kind.value_type, "[]")]
    return []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_every_field_of_event_is_bounded(event: type[Event]) -> None:
    assert list(unbounded(inspect.type_info(event), event.topic)) == []


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.to}.{call.name}")
def test_every_field_of_call_and_reply_is_bounded(call: type[Call[Any]]) -> None:
    found = [*unbounded(inspect.type_info(call), ""), *unbounded(inspect.type_info(call.reply), "reply")]
    assert set(found) - _JUDGED_ALONE == set()


class _Part(Struct):
    name: str


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (str, ["x"]),
        (str | None, ["x"]),
        (int, ["x"]),
        (Annotated[int, Meta(ge=0)], ["x"]),
        (Annotated[int, Meta(ge=0, le=2**60)], ["x"]),
        (list[Annotated[str, Meta(max_length=1)]], ["x"]),
        (Annotated[list[str], Meta(max_length=1)], ["x[]"]),
        (Annotated[list[_Part], Meta(max_length=1)], ["x[].name"]),
        (dict[str, int], ["x", "x{}", "x[]"]),
        (float, ["x"]),
        (Annotated[str, Meta(max_length=1)] | None, []),
        (Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)], []),
    ],
)
def test_missing_bound_is_found(kind: Any, found: list[str]) -> None:  # noqa: ANN401  types are of any type
    assert list(unbounded(inspect.type_info(kind), "x")) == found


def test_value_beyond_bound_is_not_an_event() -> None:
    event = next(event for event in EVENTS if event.topic == "product.approved")
    body = dict.fromkeys(event.__struct_fields__, "01920000-0000-7000-8000-000000000001") | {"status": "active"}
    msgspec.convert(body | {"title": "x" * 200}, event)
    with pytest.raises(msgspec.ValidationError, match="length <= 200"):
        msgspec.convert(body | {"title": "x" * 201}, event)
