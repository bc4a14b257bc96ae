"""Malformed and unusual values, bodies, queries, and path parameters, as sent over the wire."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from hypothesis import strategies as st

from nextbuy.contracts.values import new_id
from nextbuy.kit.http.paging import encode_cursor
from nextbuy.kit.service import Route

Schema = dict[str, Any]
Json = dict[str, Any]
READS: Final = frozenset({"GET", "HEAD"})

VALUES: Final = (
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e400",
    "-1e400",
    "1e-400",
    "1E999999999999",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "9" * 5_000,
    "NaN",
    "Infinity",
    "00",
    "+1",
    "0x10",
    '""',
    '" "',
    '"\\t\\r\\n"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\0"',
    '"\\ud800"',
    '"a\\udfff\\ud800b"',
    '"\\ud83d\\ude00"',
    '"\\u202e\\u200b\\ufeff"',
    '"\\u00e9\\u0301"',
    '"ﷺ' + "ﷺ" * 199 + '"',
    '"' + "x" * 20_000 + '"',
    '"1"',
    '"1e400"',
    '"00000000-0000-0000-0000-000000000000"',
    '"urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057"',
    '"9999-99-99"',
    '"\' OR 1=1; DROP TABLE accounts; --"',
    '"%s%n{0}{{7*7}}"',
    '"a@b.c"',
    '"A\u212a@b.\u017f\u017f"',
    "[]",
    "{}",
    "[null]",
    "[[[[]]]]",
    '{"":{"":{}}}',
    '["' + '","'.join(map(str, range(2_000))) + '"]',
)
"""JSON texts of all kinds, and some that are not JSON."""

TEXTS: Final = (
    "",
    " ",
    "0",
    "-1",
    "1e400",
    "9" * 400,
    "9223372036854775808",
    "1.5",
    "null",
    "undefined",
    "..",
    "a\0b",
    "%00",
    "%2e%2e",
    "\u202e\u200b",
    "\U0001f9ff",
    "é" * 50,
    "x" * 2_000,
    "' OR 1=1; --",
    "{}",
    "[object Object]",
    "${jndi:ldap://x}",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "01890A5D-AC96-774B-BCCE-B302099A8057",
    "01890a5dac96774bbcceb302099a8057",
    "{01890a5d-ac96-774b-bcce-b302099a8057}",
    "pay_" + "0" * 32,
    "0" * 32,
    "9999-12-31",
    "0001-01-01",
)
"""Values for ids, slugs, numbers, and words."""

ORDERS: Final = ("orders", "buyer_id")
"""The list of most cursors below."""
CURSORS: Final = (
    "e30",
    "bnVsbA",
    "W10",
    "====",
    "A",
    "\ufeff",
    "!!",
    "WyJhIl0",
    "x" * 400,
    "x" * 401,
    encode_cursor(ORDERS, "a"),
    encode_cursor(ORDERS, 0),
    encode_cursor(ORDERS, -(2**63)),
    encode_cursor(ORDERS, 2**63 - 1),
    encode_cursor(ORDERS, 2**200),
    encode_cursor(ORDERS, 2**63, new_id()),
    encode_cursor(ORDERS, new_id()),
    encode_cursor(ORDERS, new_id(), new_id()),
    encode_cursor(ORDERS, "2025-01-01T00:00:00Z", new_id()),
    encode_cursor(ORDERS, "9999-12-31T23:59:59.999999Z", new_id()),
    encode_cursor(ORDERS, "0001-01-01T00:00:00Z", new_id()),
    encode_cursor(ORDERS, "-infinity", "a"),
    encode_cursor(ORDERS, 1, "a\0b"),
    encode_cursor(ORDERS, 1, 1, 1, new_id()),
    encode_cursor(ORDERS, "NaN", "NaN", "NaN"),
    encode_cursor(ORDERS, *range(60)),
)
"""Invalid cursors, and cursors of other lists."""

_DEEP: Final = 100_000
BODIES: Final = (
    b"",
    b" ",
    b"\0",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b'"text"',
    b"12",
    b"1e400",
    b"9" * 5_000,
    b"{",
    b'{"',
    b'{"a"}',
    b"{'a': 1}",
    b"{} {}",
    b"{}\0",
    b'{"a": 1,}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\xc0\xaf"}',
    b'{"\\ud800": 1}',
    b'{"\\u0000": "\\u0000"}',
    b'{"a": "\\u0000", "b": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"a": "\\u0000", "b": ' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    b"[" * _DEEP,
    b"[" * _DEEP + b"]" * _DEEP,
    b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    b'{"a": "' + b"x" * 2_000_000 + b'"}',
    b"\0" * 300_000,
    b"a=1&b=2",
    b"<?xml version='1.0'?><a/>",
    b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--x--",
    b"\x1f\x8b\x08\x00",
)
KINDS: Final = (
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/json;",
    "APPLICATION/JSON",
    "application/jsonp",
    "application/problem+json",
    "application/xml",
    "\xff",
    "a" * 5_000,
)
QUERIES: Final = (
    "&".join(f"p{n}={n}" for n in range(100)),
    "limit=1&limit=2",
    "limit=" + "9" * 5_000,
    "limit=1e400",
    "limit=%31%30",
    "limit=-0",
    "limit=%D9%A3",
    "limit=",
    "limit",
    "=",
    "&&&",
    "%",
    "%zz",
    "%00=%00",
    "cursor=%00",
    "cursor=%ED%A0%80",
    "cursor=%FF",
    "q=%00",
    "q=" + "%F0%9F%98%80" * 200,
    "q=%20",
    "q=%22%22%22+-or+-%22",
    "q=a%26b%7C!(*:<->",
    "\xff\xfe",
    "a;b;c",
    "category=%27%20OR%201%3D1",
    "sort=price-low;DROP",
    "since=0001-01-01&until=9999-12-31",
    "since=9999-12-31",
    "until=0001-01-01",
    "status=%00",
    "x" * 4_000,
)


def _schemas(kind: type[Any]) -> tuple[Schema, dict[str, Schema]]:
    (schema,), components = msgspec.json.schema_components([kind], ref_template="#/{name}")
    return _resolved(schema, components), components


def _resolved(schema: Schema, components: dict[str, Schema]) -> Schema:
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    return schema


def fields_of(route: Route) -> Json:
    """Return a valid value for each field of a request, without the parameters of the path."""
    schema, components = _schemas(route.request)
    return {
        name: _sample(field, components)
        for name, field in schema.get("properties", {}).items()
        if f"{{{name}}}" not in route.path
    }


def _sample(schema: Schema, components: dict[str, Schema]) -> Any:  # noqa: ANN401  any JSON
    schema = _resolved(schema, components)
    if "anyOf" in schema:
        return _sample(next(one for one in schema["anyOf"] if one.get("type") != "null"), components)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _sample(field, components) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [_sample(schema["items"], components)]
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            if schema.get("format") == "uuid":
                return str(new_id())
            if schema.get("format") == "date":
                return "2025-01-01"
            return "a@b.test" if "@" in schema.get("pattern", "") else "word-and-word"
        case other:
            message = f"no sample of {other}: add one to `_sample`"
            raise AssertionError(message)


def known(good: Any, ids: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Return a valid request about existing things."""
    if isinstance(good, dict):
        return {name: ids[name] if name in ids else known(value, ids) for name, value in good.items()}
    return [known(value, ids) for value in good] if isinstance(good, list) else good


def bodies_with_junk(good: Json) -> Iterator[bytes]:
    """Yield a valid body with each of `VALUES` in each place, without each field, with fields twice, and with more."""
    for place in _places(good):
        for value in VALUES:
            yield _with(good, place, value).encode(errors="surrogatepass")
    for name in good:
        yield json.dumps({other: value for other, value in good.items() if other != name}).encode()
        yield json.dumps(good)[:-1].encode() + f', "{name}": null}}'.encode()
        yield f'{{"{name}": {json.dumps(good[name])}, '.encode() + json.dumps(good)[1:].encode()
    if good:
        more = {"__proto__": {}, "id": 1, "role": "admin", "status": "active", "": None, "\ud800": 1}
        yield json.dumps({**good, **more}).encode()


def _places(value: Any) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (name,)
        yield from ((name, *rest) for rest in _places(inner))


def _with(good: Any, place: tuple[str | int, ...], text: str) -> str:  # noqa: ANN401
    if not place:
        return text
    if isinstance(good, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_inner(v, k, place, text)}" for k, v in good.items()) + "}"
    return "[" + ", ".join(_inner(v, k, place, text) for k, v in enumerate(good)) + "]"


def _inner(value: object, key: object, place: tuple[str | int, ...], text: str) -> str:
    return _with(value, place[1:], text) if key == place[0] else json.dumps(value)


def queries_with_junk(good: Json) -> Iterator[str]:
    """Yield a valid query with each of `TEXTS` (and of `CURSORS`) in each field, and `QUERIES`."""
    for name in good:
        for value in (*TEXTS, *(CURSORS if name == "cursor" else ())):
            yield "&".join(
                f"{other}={quote(value if other == name else str(sample))}"
                for other, sample in good.items()
                if other in {name, "q"}
            )
    yield from QUERIES


def anything() -> st.SearchStrategy[Any]:
    """Generate any JSON that Python can encode, including lone surrogates and NULs."""
    texts = st.text(st.characters(), max_size=30)
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
    )


def nearly_valid(route: Route) -> st.SearchStrategy[Any]:
    """Generate bodies of a route in which some fields are wrong."""
    schema, components = _schemas(route.request)
    return _nearly_valid(schema, components) | anything()


def _mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 11).flatmap(lambda dice: anything() if dice == 1 else right)


def _nearly_valid(schema: Schema, components: dict[str, Schema]) -> st.SearchStrategy[Any]:
    schema = _resolved(schema, components)
    if "anyOf" in schema:
        return st.one_of([_nearly_valid(one, components) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            inner = {
                name: _mostly(_nearly_valid(field, components)) for name, field in schema.get("properties", {}).items()
            }
            required = {name: inner.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=inner)
        case "array":
            return st.lists(_nearly_valid(schema["items"], components), max_size=4)
        case "integer":
            low, high = schema.get("minimum", -(2**70)), schema.get("maximum", 2**70)
            return st.integers(low, high) | st.sampled_from([low - 1, high + 1, low, high])
        case "string" if schema.get("format") == "uuid":
            return st.uuids(allow_nil=True).map(str)
        case "string" if schema.get("format") == "date":
            return st.dates().map(str)
        case "string" if "@" in schema.get("pattern", ""):
            return st.emails() | st.text(st.characters(), max_size=260)
        case "string":
            length = min(schema.get("maxLength", 60), 60)
            texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=length)
            return texts.map("a{}".format) | st.text(st.characters(), max_size=length + 1)
        case _:
            return st.none()
