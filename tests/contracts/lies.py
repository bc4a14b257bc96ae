"""Lies: copies of an honest reply with one field changed, derived from the reply's type."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from msgspec import inspect

from nextbuy.contracts.message import Envelope

Json = Any
_OTHER_ID: Final = str(UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0FFF))
_FOREIGN: Final = ("http://evil.example/pay", "//evil.example/pay", "/\\evil.example/pay", "javascript:alert(1)")
_SIGNED: Final = frozenset({"Finding.points"})
_POSITIVE: Final = frozenset({"Price.amount", "QuotedLine.quantity"})
_MAX_REPEATED: Final = 60_000
"""Items of the longest list that is built."""


@dataclass(frozen=True)
class Lie:
    """A reply with one field changed."""

    steps: tuple[str | int, ...]
    """The path of the field."""
    owner: str
    """The field as its struct names it, such as `Price.amount`."""
    kind: str
    value: Json

    @property
    def is_possible(self) -> bool:
        """Whether the value is within the bounds of its type, so that only the question can refute it."""
        return self.kind in {"other", "shorter", "reversed", "duplicated item", "longer"}

    @property
    def path(self) -> str:
        """The field in text, such as `lines[0].unit_price.amount`."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps).removeprefix(".")

    def about(self, honest: Json) -> Json:
        """Return an honest reply with this change, or unchanged if it does not have the field."""
        return _replaced(honest, self.steps, self.value)

    def __str__(self) -> str:
        return f"{self.path} {self.kind}"


def lies(kind: type[Any], honest: Json) -> Iterator[Lie]:
    """Yield the lies about a reply; `honest` is its JSON with every field."""
    for path, owner, change, value in _changes(inspect.type_info(kind), honest, (), kind.__name__):
        yield Lie(path, owner, change, value)


Path = tuple[str | int, ...]
Change = tuple[Path, str, str, Json]


def _changes(kind: inspect.Type, value: Json, path: Path, owner: str) -> Iterator[Change]:
    match kind:
        case inspect.Metadata():
            yield from _changes(kind.type, value, path, owner)
        case inspect.UnionType():
            yield from _of_optional(kind, value, path, owner)
        case inspect.StructType():
            for field in kind.fields:
                inner = Envelope if field.name == "envelope" else None
                of_field = inspect.type_info(inner) if inner and isinstance(value[field.name], dict) else field.type
                name = f"{kind.cls.__name__}.{field.name}"
                yield from _changes(of_field, value[field.name], (*path, field.name), name)
        case inspect.ListType():
            yield from _of_list(kind, value, path, owner)
        case inspect.DictType():
            yield from _of_dict(kind, value, path, owner)
        case inspect.IntType() | inspect.FloatType():
            yield from ((path, owner, change, other) for change, other in _of_number(kind, value, owner))
        case _:
            yield from ((path, owner, change, other) for change, other in _of_value(kind, value))


def _of_optional(kind: inspect.UnionType, value: Json, path: Path, owner: str) -> Iterator[Change]:
    present = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    if value is None:
        yield path, owner, "other", _example(present)
    else:
        yield path, owner, "other", None
        yield from _changes(present, value, path, owner)


def _of_list(kind: inspect.ListType, value: list[Json], path: Path, owner: str) -> Iterator[Change]:
    if kind.max_length is not None and value:
        yield path, owner, "too long", _repeated(value, kind.max_length + 1)
    if value:
        yield path, owner, "duplicated item", [*value, value[-1]]
        yield path, owner, "shorter", value[:-1]
        yield path, owner, "reversed", value[::-1]
        for index in {0, len(value) - 1}:
            yield from _changes(kind.item_type, value[index], (*path, index), f"{owner}[]")
    else:
        yield path, owner, "longer", [_example(kind.item_type)]


def _repeated(value: list[Json], length: int) -> list[Json]:
    assert length <= _MAX_REPEATED
    return (value * (length // len(value) + 1))[:length]


def _of_dict(kind: inspect.DictType, value: dict[str, Json], path: Path, owner: str) -> Iterator[Change]:
    first = next(iter(value))
    if kind.max_length is not None:
        yield path, owner, "too long", {str(n): value[first] for n in range(kind.max_length + 1)}
    yield path, owner, "other", {"another": value[first]}
    yield path, owner, "empty key", {"": value[first]}
    yield from _changes(kind.value_type, value[first], (*path, first), f"{owner}[]")


def _of_number(kind: inspect.IntType | inspect.FloatType, value: Json, owner: str) -> Iterator[tuple[str, Json]]:
    if kind.ge is not None:
        yield "too low", kind.ge - 1
    if kind.le is not None:
        yield "too high", kind.le + max(1, kind.le // 1_000)
    yield ("other" if owner in _SIGNED else "sign"), -value or -1
    if owner in _POSITIVE:
        yield "zero", 0
    yield "other", value + 1
    yield "other", value - 1 if value > 1 else value + 2


def _of_value(kind: inspect.Type, value: Json) -> Iterator[tuple[str, Json]]:
    match kind:
        case inspect.StrType():
            if kind.max_length is not None:
                yield "too long", "x" * (kind.max_length + 1)
            if kind.min_length:
                yield "empty", ""
            if value.startswith(("/", "http")):
                yield from (("foreign URL", url) for url in _FOREIGN)
            yield "other", value + "x" if len(value) < (kind.max_length or 1_000) else value[:-1]
        case inspect.UUIDType():
            yield "other", _OTHER_ID
            yield "no id", "1"
        case inspect.LiteralType() | inspect.EnumType():
            values = kind.values if isinstance(kind, inspect.LiteralType) else [one.value for one in kind.cls]
            yield from (("other", other) for other in values if other != value)
            yield "unknown value", "something-else"
        case inspect.BoolType():
            yield "other", not value
        case inspect.DateTimeType():
            yield "other", "2026-01-01T00:00:00Z"
            yield "no time zone", "2026-01-01T00:00:00"
        case inspect.RawType():
            yield "other", {"other": "envelope"}
        case _:
            message = f"no lie is known about {kind}"
            raise TypeError(message)


def _example(kind: inspect.Type) -> Json:
    match kind:
        case inspect.Metadata():
            return _example(kind.type)
        case inspect.UUIDType():
            return _OTHER_ID
        case inspect.StrType():
            return "another"
        case inspect.IntType() | inspect.FloatType():
            return 7
        case inspect.DateTimeType():
            return "2026-01-01T00:00:00Z"
        case inspect.StructType():
            return {field.name: _example(field.type) for field in kind.fields}
        case inspect.ListType():
            return [_example(kind.item_type)]
        case _:
            message = f"an honest reply needs a value of {kind}"
            raise TypeError(message)


def _replaced(honest: Json, path: Path, value: Json) -> Json:
    if not path:
        return value
    changed = copy.copy(honest)
    try:
        changed[path[0]] = _replaced(honest[path[0]], path[1:], value)
    except (KeyError, IndexError, TypeError):
        return honest
    return changed
