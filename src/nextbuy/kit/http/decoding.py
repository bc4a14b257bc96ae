"""Decoding of requests and calls: invalid input is the client's error, never a 500."""

import functools
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from nextbuy.contracts.errors import AppError, EndpointNotFound, FieldError, Unprocessable, WrongMediaType
from nextbuy.kit.field_messages import field_error, type_info
from nextbuy.kit.http.texts import clean_texts
from nextbuy.kit.service import CallHandler, Route
from nextbuy.kit.strict_json import DECODE_ERRORS, NulCharacter, decode_json
from nextbuy.kit.wire import READS, Request

_MAX_PARAMETERS: Final = 20
DuplicateParameter: Final = Unprocessable.of("duplicate-parameter", "A parameter occurs twice. Send it once.")


class EncodedBody(WrongMediaType):
    """The request body is compressed. Send it without Content-Encoding."""

    slug, headers = "unsupported-content-encoding", (("accept-encoding", "identity"),)


def refuse_encoded(request: Request) -> None:
    """Raise EncodedBody if the body has a content coding (RFC 9110, 8.4), such as gzip."""
    if request.body and request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise EncodedBody


def decode_request(route: Route, request: Request, captured: dict[str, str]) -> object:
    """Return the route's request, from the query or the body and the parameters of the path.

    Raises:
        Unprocessable: it does not fit the type; `errors` names the field.
        EndpointNotFound: a parameter of the path does not fit its type.
        WrongMediaType: the body is not JSON.
    """
    try:
        if request.method in READS:
            return _from_query(route, request, captured)
        return _from_body(route, request, captured)
    except msgspec.ValidationError as error:
        raise _invalid_field(error, route, captured) from None
    except DECODE_ERRORS:
        expected = f"at most {_MAX_PARAMETERS} parameters" if request.method in READS else "JSON in UTF-8"
        raise Unprocessable(f"The request cannot be decoded. Send {expected}.") from None


def decode_call(body: bytes, handler: CallHandler) -> object:
    """Return a call of another service; raise Unprocessable if it does not fit the type."""
    try:
        return msgspec.json.decode(body, type=handler.call)
    except msgspec.ValidationError as error:
        invalid = field_error(error, handler.call)
        raise Unprocessable(f"{invalid.field}: {invalid.message}", errors=[invalid]) from None
    except DECODE_ERRORS:
        raise Unprocessable("The call cannot be decoded. Send JSON in UTF-8.") from None


def _from_query(route: Route, request: Request, captured: dict[str, str]) -> object:
    query = request.query
    fields: dict[str, Any] = {**captured}
    if query:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
        fields = {**dict(pairs), **captured}
        if len(pairs) > 1:
            _refuse_duplicates(pairs, route)
    if "%00" in query or "\0" in query or "\0" in request.path:
        _refuse_nul(fields)
    fields = {**clean_texts(fields, route.request), **captured}
    kind: Any = route.request
    for name in _number_fields(kind) & fields.keys():
        fields[name] = _number(fields[name])
    return msgspec.convert(fields, type=route.request)


def _from_body(route: Route, request: Request, captured: dict[str, str]) -> object:
    body = request.body
    if body:
        _require_json(request)
    value = clean_texts(decode_json(body or b"{}"), route.request)
    if captured:
        value = {**msgspec.convert(value, dict[str, Any]), **captured}
    return msgspec.convert(value, type=route.request)


def _invalid_field(error: msgspec.ValidationError, route: Route, captured: dict[str, str]) -> AppError:
    invalid = field_error(error, route.request)
    if invalid.field in captured:
        return EndpointNotFound()
    return Unprocessable(f"{invalid.field}: {invalid.message}", errors=[invalid])


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise WrongMediaType


def _refuse_duplicates(pairs: list[tuple[str, str]], route: Route) -> None:
    """Refuse a parameter of the route that occurs twice; parameters that it does not read may."""
    names = [name for name, _ in pairs if name in route.request.__struct_fields__]
    for name in names:
        if names.count(name) > 1:
            message = "This parameter occurs more than once. Send it once."
            raise DuplicateParameter(f"{name}: {message}", errors=[FieldError(name, message)])


def _refuse_nul(fields: dict[str, Any]) -> None:
    if any("\0" in text for pair in fields.items() for text in pair):
        raise NulCharacter


@functools.cache
def _number_fields(kind: Any) -> frozenset[str]:  # noqa: ANN401  types are of any type
    """Return the fields of a struct that are numbers, which a query has as text."""
    info = type_info(kind)
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    return frozenset(field.encode_name for field in fields if _is_number(field.type))


def _is_number(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is_number(kind.type)
    return isinstance(kind, inspect.IntType | inspect.FloatType)


def _number(text: str) -> object:
    """Return the number that a text is in JSON; any other text as it is, which then fits no number."""
    try:
        value = decode_json(text.encode())
    except (*DECODE_ERRORS, AppError):
        return text
    return text if isinstance(value, bool) else value
