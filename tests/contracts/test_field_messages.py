"""Every message about a field of a request, a call or an event is for people: what is wrong, then what to do."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, get_origin, get_type_hints
from urllib.parse import urlencode
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct, defstruct, inspect

from nextbuy.contracts.errors import FieldError, Unprocessable
from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.registry import CALLS, EVENTS
from nextbuy.contracts.values import Role, Timestamp
from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.examples import example
from nextbuy.kit.field_messages import field_error
from nextbuy.kit.http.decoding import decode_call, decode_request
from nextbuy.kit.service import CallHandler, Route
from nextbuy.kit.wire import Request
from nextbuy.order.provider_webhook import WEBHOOK_TYPES

Json = Any
Path = tuple[str | int, ...]
ROUTES: Final = {
    route.operation_id(name): route
    for name, entry in SERVICES.items()
    for route in entry.service.routes
    if route.takes_request
}
SENTENCES: Final = re.compile(r"[A-Z][^`\\^]+[.]")
CODE: Final = re.compile(r"\b(str|int|float|bool|bytes|dict|array|NoneType|UnsetType|regex|Expected|msgspec)\b")
WRONG: Final[tuple[Json, ...]] = (
    None,
    True,
    7,
    -1,
    1.5,
    10**30,
    "",
    " ",
    "\x01",
    "x" * 20_000,
    [],
    [None],
    {},
    {"a": 1},
    "2026-02-30",
)

MAX_BUILT: Final = 1_000
"""Items of the longest list that is built."""


def changes(kind: inspect.Type, value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    """Yield values that break the constraints of a type and of its parts, with their paths; some may be valid."""
    yield from ((path, wrong) for wrong in WRONG)
    match kind:
        case inspect.Metadata():
            yield from changes(kind.type, value, path)
        case inspect.UnionType():
            for one in kind.types:
                yield from changes(one, value, path)
        case inspect.IntType() | inspect.FloatType():
            yield from ((path, bound) for bound in ((kind.ge or 0) - 1, (kind.le or 0) + 1))
        case inspect.StrType():
            yield path, "x" * ((kind.max_length or 0) + 1)
        case inspect.ListType() | inspect.StructType():
            yield from changes_within(kind, value, path)


def changes_within(kind: inspect.Type, value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    """Yield the changes of the items of a list, or of the fields of a struct."""
    match kind:
        case inspect.ListType():
            if (kind.max_length or 0) < MAX_BUILT:
                yield path, [value[0] if value else None] * ((kind.max_length or 0) + 1)
            if value:
                yield from changes(kind.item_type, value[0], (*path, 0))
        case inspect.StructType() if isinstance(value, dict):
            for field in kind.fields:
                yield path, {name: item for name, item in value.items() if name != field.encode_name}
                yield from changes(field.type, value.get(field.encode_name), (*path, field.encode_name))


def invalid_values(kind: type[Any]) -> Iterator[Json]:
    """Yield copies of a valid value with one change each."""
    good = sample(kind)
    for path, new in changes(inspect.type_info(kind), good, ()):
        if not path:
            yield new
            continue
        changed = inner = copy.deepcopy(good)
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = new
        yield changed


def sample(kind: type[Any]) -> Json:
    (schema,), components = msgspec.json.schema_components([kind])
    return example(schema, components)


def request_of(route: Route, value: Json) -> tuple[Request, dict[str, str]]:
    """Return a request, and the parameters of its path, which are valid."""
    named = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    captured = {name: sample(route.request)[name] for name in named}
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name not in captured}
    if route.method != "GET":
        return Request(route.method, "/", "", {}, json.dumps(value).encode()), captured
    fields = value if isinstance(value, dict) else {}
    texts = {name: item if isinstance(item, str) else json.dumps(item) for name, item in fields.items()}
    return Request(route.method, "/", urlencode(texts), {}, b""), captured


def judge(problem: Unprocessable) -> None:
    for message in [
        problem.detail.partition(": ")[2] or problem.detail,
        *(one.message for one in problem.errors or ()),
    ]:
        assert SENTENCES.fullmatch(message), message
        assert not CODE.search(message), message


@pytest.mark.parametrize("name", ROUTES)
def test_messages_of_route_are_sentences(name: str) -> None:
    for value in invalid_values(ROUTES[name].request):
        try:
            decode_request(ROUTES[name], *request_of(ROUTES[name], value))
        except Unprocessable as problem:
            judge(problem)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.to}.{call.name}")
def test_messages_of_call_are_sentences(call: type[Call[Any]]) -> None:
    async def act() -> None:
        raise AssertionError

    for value in invalid_values(call):
        try:
            decode_call(json.dumps(value).encode(), CallHandler(call, act))
        except Unprocessable as problem:
            judge(problem)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_messages_of_event_are_sentences(event: type[Event]) -> None:
    for value in invalid_values(event):
        try:
            msgspec.convert(value, event)
        except msgspec.ValidationError as error:
            invalid = field_error(error, event)
            judge(Unprocessable(f"{invalid.field}: {invalid.message}", errors=[invalid]))


def patterns(kind: inspect.Type) -> Iterator[tuple[str, object]]:
    """Yield each pattern in a type, with its sentence."""
    match kind:
        case inspect.Metadata(type=inspect.StrType(pattern=str(pattern))):
            yield pattern, (kind.extra or {}).get("invalid")
        case inspect.StrType(pattern=str(pattern)):
            yield pattern, None
        case inspect.Metadata():
            yield from patterns(kind.type)
        case inspect.UnionType():
            for one in kind.types:
                yield from patterns(one)
        case inspect.ListType():
            yield from patterns(kind.item_type)
        case inspect.DictType():
            yield from patterns(kind.key_type)
            yield from patterns(kind.value_type)
        case inspect.StructType():
            for field in kind.fields:
                yield from patterns(field.type)


def test_every_pattern_has_a_sentence() -> None:
    kinds = [*(route.request for route in ROUTES.values()), *CALLS, *(call.reply for call in CALLS), *EVENTS]
    found = {pair for kind in kinds for pair in patterns(inspect.type_info(kind))}
    assert len(found) > 2
    assert {pattern for pattern, sentence in found if not sentence} == set()


def structs(kind: inspect.Type) -> Iterator[type[Any]]:
    """Yield the structs in a type."""
    match kind:
        case inspect.Metadata():
            yield from structs(kind.type)
        case inspect.UnionType():
            for one in kind.types:
                yield from structs(one)
        case inspect.ListType():
            yield from structs(kind.item_type)
        case inspect.DictType():
            yield from structs(kind.value_type)
        case inspect.StructType():
            yield get_origin(kind.cls) or kind.cls
            for field in kind.fields:
                yield from structs(field.type)


def alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types that a value may have; the type of a text has its metadata."""
    match kind:
        case inspect.UnionType():
            for one in kind.types:
                yield from alternatives(one)
        case inspect.Metadata(type=inspect.UnionType()):
            yield from alternatives(kind.type)
        case _:
            yield kind


def optional_texts() -> Iterator[tuple[str, Any, object]]:
    """Yield the name, type and sentence of each optional text with a pattern in contracts and the webhook."""
    kinds = [*(route.request for route in ROUTES.values()), *CALLS, *(call.reply for call in CALLS), *EVENTS]
    for struct in dict.fromkeys(one for kind in [*kinds, *WEBHOOK_TYPES] for one in structs(inspect.type_info(kind))):
        for name, hint in get_type_hints(struct, include_extras=True).items():
            found = list(alternatives(inspect.type_info(hint))) if name in struct.__struct_fields__ else []
            if len(found) > 1:
                yield from ((name, hint, sentence) for one in found for _, sentence in patterns_of_text(one))


def patterns_of_text(kind: inspect.Type) -> Iterator[tuple[str, object]]:
    """Yield the pattern of a text, with its sentence."""
    if isinstance(kind, inspect.Metadata) and isinstance(kind.type, inspect.StrType):
        yield from patterns(kind)


def test_optional_text_of_a_wrong_format_has_its_own_sentence() -> None:
    judged = set()
    for name, hint, sentence in optional_texts():
        alone = defstruct("Alone", [(name, hint)])
        wrong = next(text for size in range(1, 200) if mismatches(text := "\x01" * size, alone, name))
        with pytest.raises(msgspec.ValidationError) as error:
            msgspec.convert({name: wrong}, alone)
        assert field_error(error.value, alone).message == sentence, name
        judged.add(name)
    assert "currency" in judged


def mismatches(text: str, kind: type[Any], name: str) -> bool:
    """Return whether a text has an allowed length, but not the format."""
    try:
        msgspec.convert({name: text}, kind)
    except msgspec.ValidationError as error:
        return "matching regex" in str(error)
    return False


class Part(Struct):
    count: Annotated[int, Meta(ge=1, le=2_000)] = 1


class Everything(Struct, kw_only=True, forbid_unknown_fields=True):
    """A field of each kind of constraint."""

    name: Annotated[str, Meta(min_length=1, max_length=5, pattern="^a", extra={"invalid": "Begin with an a."})] = "a"
    long: Annotated[str, Meta(min_length=3)] = "abc"
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    step: Annotated[int, Meta(multiple_of=5)] = 5
    at: Timestamp | None = None
    id: UUID | None = None
    sort: Literal["new", "old"] = "new"
    code: Annotated[Annotated[str, Meta(pattern="^a", extra={"invalid": "Begin with an a."})] | int | None, Meta()] = 1
    codes: list[Annotated[str, Meta(pattern="^a", extra={"invalid": "Begin with an a."})] | None] = []
    coded: dict[Annotated[str, Meta(pattern="^a", extra={"invalid": "Begin with an a."})], int | None] = {}
    order: Literal["up", "down"] | None = None
    second: Role | int | None = None
    role: Role = Role.BUYER
    raw: bytes = b""
    parts: Annotated[list[Part], Meta(min_length=1, max_length=2)] = msgspec.field(default_factory=lambda: [Part()])
    by_name: Annotated[dict[str, Part], Meta(max_length=1)] = msgspec.field(default_factory=dict)
    needed: bool


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"name": ""}, "name", "Empty. Enter a text."),
        ({"name": "b"}, "name", "Begin with an a."),
        ({"name": "aaaaaa"}, "name", "Too long. Use at most 5 characters."),
        ({"long": "ab"}, "long", "Too short. Use at least 3 characters."),
        ({"name": 5}, "name", "Wrong kind of value. Send a text."),
        ({"ratio": 0}, "ratio", "Too small. Send more than 0.0."),
        ({"ratio": 1}, "ratio", "Too large. Send less than 1.0."),
        ({"step": 7}, "step", "Not a multiple of 5. Send one."),
        ({"step": 1.5}, "step", "Wrong kind of value. Send a whole number."),
        ({"at": "noon"}, "at", "Not a time. Send one such as 2026-01-31T12:00:00Z."),
        ({"at": "2026-01-31T12:00:00"}, "at", "The time zone is missing. Add one; Z is UTC."),
        ({"id": "x"}, "id", "Not an id. Send a UUID, as this API returns them."),
        ({"id": 5}, "id", "Wrong kind of value. Send an id (UUID) or null."),
        ({"sort": "best"}, "sort", "Unknown value. Send one of: new, old."),
        ({"code": "b"}, "code", "Begin with an a."),
        ({"codes": [None, "b"]}, "codes[1]", "Begin with an a."),
        ({"coded": {"b": 1}}, "coded", "Begin with an a."),
        ({"order": "best"}, "order", "Unknown value. Send one of: down, up."),
        ({"second": "king"}, "second", "Unknown value. Send one of: admin, buyer, seller."),
        ({"role": "king"}, "role", "Unknown value. Send one of: admin, buyer, seller."),
        ({"raw": "?"}, "raw", "Not base64. Encode the data in base64."),
        ({"parts": []}, "parts", "Too few entries. Send at least 1."),
        ({"parts": [{}, {}, {}]}, "parts", "Too many entries. Send at most 2."),
        ({"parts": [{}, {"count": 0}]}, "parts[1].count", "Too small. Send 1 or more."),
        ({"parts": [{"count": 3_000}]}, "parts[0].count", "Too large. Send 2,000 or less."),
        ({"parts": 5}, "parts", "Wrong kind of value. Send a list."),
        ({"by_name": {"a": {"count": 0}}}, "by_name[...].count", "Too small. Send 1 or more."),
        ({"by_name": {"a": {}, "b": {}}}, "by_name", "Too many entries. Send at most 1."),
        ({"other": 5}, "other", "Unknown field. Remove it."),
        ({"needed": None}, "needed", "Wrong kind of value. Send true or false."),
    ],
)
def test_message_says_what_is_wrong_and_what_to_do(fields: Json, field: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"needed": True} | fields, Everything)
    assert field_error(caught.value, Everything) == FieldError(field, message)


def test_missing_field_is_named_with_its_path() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({}, Everything)
    assert field_error(caught.value, Everything) == FieldError("needed", "Missing. Send a value.")
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert([], Everything)
    assert field_error(caught.value, Everything) == FieldError("body", "Wrong kind of value. Send an object.")
