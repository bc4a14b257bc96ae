"""Bodies and queries are read in one way only: no key twice, and a number is an integer by its value."""

from datetime import date
from typing import Annotated, Any, Final

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.errors import AppError, Unprocessable
from nextbuy.contracts.values import Timestamp
from nextbuy.kit.http.decoding import decode_request
from nextbuy.kit.service import Route, get, put
from nextbuy.kit.wire import Request


class Line(Struct):
    quantity: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    share: float = 0.0


class Order(Struct):
    """A request with nested parts."""

    id: str
    amount: int = 0
    lines: list[Line] = []
    numbers: list[list[int]] = []
    note: str = ""


class Find(Struct):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    q: str = ""


async def change(_deps: object, _caller: object, _request: Order) -> None:
    """Change an order."""


async def find(_deps: object, _caller: object, _request: Find) -> None:
    """Find orders."""


CHANGE: Final = put("orders/{id}", change)
FIND: Final = get("orders", find)


def sent(body: str | bytes, route: Route = CHANGE) -> Any:  # noqa: ANN401  the request's own type
    raw = body if isinstance(body, bytes) else body.encode()
    return decode_request(route, Request("PUT", "/", "", {}, raw), {"id": "7"})


def found(query: str) -> Any:  # noqa: ANN401
    return decode_request(FIND, Request("GET", "/", query, {}), {})


def refused(body: str | bytes) -> AppError:
    with pytest.raises(Unprocessable) as caught:
        sent(body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "field", "key"),
    [
        ('{"amount": 1000, "amount": 1}', "amount", "amount"),
        ('{"amount": 1, "amount": 1}', "amount", "amount"),
        ('{"amount": 1, "note": "", "amount": 1, "amount": 2}', "amount", "amount"),
        ('{"amount": 1, "\\u0061mount": 1}', "amount", "amount"),
        ('{"lines": [{}, {"quantity": 1, "quantity": 2}]}', "lines[1].quantity", "quantity"),
        ('{"lines": [{"quantity": 1, "\\u0071uantity": 2}]}', "lines[0].quantity", "quantity"),
        ('{"unknown": {"deep": [{"a": 1, "a": 1}]}}', "unknown.deep[0].a", "a"),
        ('{"": 1, "": 1}', "body", ""),
        ('{"é": 1, "\\u00e9": 1}', "é", "é"),
        ('{"amount": {"amount": 1, "amount": 1}, "amount": 1}', "amount", "amount"),
    ],
)
def test_duplicate_key_is_refused_and_named(body: str, field: str, key: str) -> None:
    error = refused(body)
    message = f'The key "{key}" occurs more than once. Send it once.'
    assert error.slug == "duplicate-key"
    assert [(one.field, one.message) for one in error.errors or ()] == [(field, message)]
    assert error.detail == f"{field}: {message}"


def test_same_key_in_different_objects_is_no_duplicate() -> None:
    assert len(sent('{"lines": [{"quantity": 1}, {"quantity": 1}], "quantity": 1}').lines) == 2


def test_long_duplicate_key_is_shortened() -> None:
    key = "x" * 100_000
    error = refused(f'{{"{key}": 1, "{key}": 2}}')
    assert len(error.detail) < 500


@pytest.mark.parametrize("number", ["1000.0", "1e3", "1E3", "1.0e3", "10000e-1", "1000", "1000.000"])
def test_number_without_fraction_is_an_integer(number: str) -> None:
    order = sent(f'{{"amount": {number}, "lines": [{{"quantity": {number}}}], "numbers": [[1, {number}]]}}')
    assert [order.amount, order.lines[0].quantity, *order.numbers[0]] == [1000, 1000, 1, 1000]
    assert all(type(value) is int for value in (order.amount, order.lines[0].quantity, *order.numbers[0]))


@pytest.mark.parametrize("number", ["-0.0", "0e5", "-0", "0.0"])
def test_zero_is_zero_in_every_spelling(number: str) -> None:
    assert sent(f'{{"lines": [{{"quantity": {number}}}]}}').lines[0].quantity == 0


def test_whole_number_fits_a_field_with_fractions() -> None:
    assert [line.share for line in sent('{"lines": [{"share": 1}, {"share": 1.0}, {"share": 1.5}]}').lines] == [
        1,
        1,
        1.5,
    ]


@pytest.mark.parametrize("value", ['"5"', "1.5", "true", "null", "[]", "1e-1", "9007199254740993.5", '"1e3"'])
def test_other_value_is_no_integer(value: str) -> None:
    error = refused(f'{{"lines": [{{"quantity": {value}}}]}}')
    assert error.detail == "lines[0].quantity: Wrong kind of value. Send a whole number."


@pytest.mark.parametrize("value", ["1e400", "-1e400", "1" + "0" * 5_000, "NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["quantity", "share", "unknown"])
def test_number_out_of_range_is_refused_and_named(field: str, value: str) -> None:
    error = refused(f'{{"lines": [{{"{field}": {value}}}]}}')
    assert error.slug == "number-out-of-range"
    assert [one.field for one in error.errors or ()] == [f"lines[0].{field}"]


def test_large_integer_is_refused_by_its_bound() -> None:
    assert refused('{"lines": [{"quantity": 1e15}]}').detail == "lines[0].quantity: Too large. Send 1,000,000 or less."


@pytest.mark.parametrize(
    "body",
    [
        b'{"note": "\\ud800"}',
        b'{"\\ud800": 1, "\\ud800": 1}',
        b'{"note": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"amount": 01}',
        b'{"amount": 1,}',
        b"{'amount': 1}",
        b"[" * 100_000,
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        b'{"amount": 1, "amount": 2',
        b'{"unknown": yes}',
        b'{"note": "\t"}',
        b"{} {}",
        b" ",
    ],
)
def test_text_that_is_not_json_is_refused(body: bytes) -> None:
    assert refused(body).detail == "The request cannot be decoded. Send JSON in UTF-8."


@pytest.mark.parametrize("body", ['{"note": "a\\u0000"}', '{"unknown": [{"a\\u0000": 1}]}', '{"lines": ["\\u0000"]}'])
def test_nul_is_refused(body: str) -> None:
    assert refused(body).slug == "nul-character"


def test_escapes_are_decoded() -> None:
    assert sent('{"note": "\\ud83d\\ude00 \\u0061 \\\\u0000"}').note == "😀 a \\u0000"


def test_deep_body_with_many_values_is_judged_quickly() -> None:
    deep = b'{"note": "\\\\u0000", "x": ' + b"[" * 800 + b",".join([b"1"] * 100_000) + b"]" * 800 + b"}"
    assert sent(deep).note == "\\u0000"


@pytest.mark.parametrize("query", ["limit=5", "limit=5.0", "limit=0.5e1", "limit=%35"])
def test_number_in_query_is_read_as_in_json(query: str) -> None:
    assert found(query).limit == 5


@pytest.mark.parametrize(
    "query", ["limit=1.5", "limit=five", "limit=", "limit=0x5", "limit=05", "limit=%2B5", "limit=%D9%A3"]
)
def test_other_text_in_query_is_no_number(query: str) -> None:
    with pytest.raises(Unprocessable, match=r"^limit: Wrong kind of value\. Send a whole number\.$"):
        found(query)


def test_duplicate_parameter_is_refused_and_named() -> None:
    with pytest.raises(
        Unprocessable, match=r"^limit: This parameter occurs more than once\. Send it once\.$"
    ) as caught:
        found("limit=5&q=a&limit=6")
    assert caught.value.slug == "duplicate-parameter"
    assert found("utm=1&utm=2&limit=5").limit == 5


def test_text_in_query_stays_a_text() -> None:
    assert found("q=5").q == "5"


class Since(Struct):
    since: Timestamp | UnsetType = UNSET
    day: date | UnsetType = UNSET


async def find_since(_deps: object, _caller: object, _request: Since) -> None:
    """Find by time."""


@pytest.mark.parametrize("query", ["since=0.5", "since=1700000000", "since=null", "day=5", "day=2026-02-30"])
def test_other_text_in_query_is_no_time(query: str) -> None:
    with pytest.raises(Unprocessable, match=r"^(since: Not a time|day: Not a date)\. Send one such as "):
        decode_request(get("orders", find_since), Request("GET", "/", query, {}), {})
