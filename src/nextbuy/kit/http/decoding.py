"""Decoding of requests and calls: invalid input is the client's error, never a 500."""

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from nextbuy.contracts.errors import AppError, EndpointNotFound, FieldError, Unprocessable, WrongMediaType
from nextbuy.kit.service import CallHandler, Route
from nextbuy.kit.wire import Request

READS: Final = frozenset({"GET", "HEAD"})
"""Methods whose fields are in the query; all others have a JSON body."""
_MAX_PARAMETERS: Final = 20
NulCharacter: Final = Unprocessable.of("nul-character", "Texts must not contain the NUL character.")


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
        raise _invalid_field(error, captured) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        expected = f"at most {_MAX_PARAMETERS} parameters" if request.method in READS else "JSON in UTF-8"
        raise Unprocessable(f"The request cannot be decoded. Send {expected}.") from None


def decode_call(body: bytes, handler: CallHandler) -> object:
    """Return a call of another service; raise Unprocessable if it does not fit the type."""
    try:
        return msgspec.json.decode(body, type=handler.call)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unprocessable(f"The call cannot be decoded: {error}") from None


def _from_query(route: Route, request: Request, captured: dict[str, str]) -> object:
    query = request.query
    fields = captured
    if query:
        fields = {**dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)), **captured}
    if "%00" in query or "\0" in query or "\0" in request.path:
        _refuse_nul(fields)
    return msgspec.convert(fields, type=route.request, strict=False)


def _from_body(route: Route, request: Request, captured: dict[str, str]) -> object:
    body = request.body
    if body:
        _require_json(request)
    if b"\\u0000" in body:
        _refuse_nul(msgspec.json.decode(body))
    if not captured:
        return msgspec.json.decode(body or b"{}", type=route.request)
    fields = msgspec.json.decode(body or b"{}", type=dict[str, Any])
    return msgspec.convert({**fields, **captured}, type=route.request)


def _invalid_field(error: msgspec.ValidationError, captured: dict[str, str]) -> AppError:
    message, _, location = str(error).partition(" - at `")
    field = location.rstrip("`").removeprefix("$").removeprefix(".") or "body"
    if field in captured:
        return EndpointNotFound()
    if "matching regex" in message:
        message = "This value has the wrong format"
    return Unprocessable(f"{field}: {message}", errors=[FieldError(field, message)])


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise WrongMediaType


def _refuse_nul(value: object) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise NulCharacter
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key)
            _refuse_nul(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_nul(item)
