"""JSON of requests, without what readers understand differently (RFC 7493): keys that occur twice, and huge numbers.

A number without a fraction, such as 1000.0 or 1e3, is an integer, as in JSON Schema.
"""

from collections import Counter
from collections.abc import Callable
from json import JSONDecoder
from math import isinf
from typing import Any, Final

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import FieldError, Unprocessable
from nextbuy.contracts.values import MAX_INTEGER

DECODE_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""The errors of decoding a text that is not JSON in UTF-8."""
_MAX_SHOWN: Final = 200
"""Characters of a client's own key or path in a message."""
_Path = tuple["_Path", str] | None
"""The steps to a value, from the last to the first."""

DuplicateKey: Final = Unprocessable.of("duplicate-key", "A key occurs twice in one object. Send it once.")
NumberOutOfRange: Final = Unprocessable.of(
    "number-out-of-range", "The number is out of range. Send one closer to zero."
)
NulCharacter: Final = Unprocessable.of("nul-character", "Texts must not contain the NUL character. Remove it.")


class Unusable(Struct, frozen=True):
    """A marker in the place of a refused value; it fits no type."""

    error: type[Unprocessable]
    message: str


class _Refused(ValueError):
    """A value is refused; its place is found in a second pass."""


def decode_json(body: bytes) -> Any:  # noqa: ANN401  any JSON
    """Return the value of a JSON text.

    Raises:
        Unprocessable: a key occurs twice, a number is out of range, or a text has a NUL; `errors` names the field.
        MsgspecError, ValueError, RecursionError: the text is not JSON in UTF-8 (`DECODE_ERRORS`).
    """
    text = _checked(body)
    try:
        value = _decode(text)
    except ValueError:
        _refuse_unusable(_decode_marked(text))
        raise
    if "\\u0000" in text:
        _refuse_unusable(value)
    return value


def decode_read_fields(body: bytes) -> Any:  # noqa: ANN401
    """Return the value of a JSON text, with an `Unusable` in each place that `decode_json` refuses, except for a NUL.

    So only the fields that a type reads must be usable. Raises one of `DECODE_ERRORS` if the text is not JSON.
    """
    return _decode_marked(_checked(body))


def _refuse_unusable(value: object) -> None:
    """Raise Unprocessable for a value that is unusable or has a NUL, and name its place."""
    waiting: list[tuple[object, _Path]] = [(value, None)]
    while waiting:
        item, path = waiting.pop()
        if isinstance(item, dict):
            waiting += ((text, path) for text in item)
            waiting += ((inner, (path, f".{name}")) for name, inner in item.items())
        elif isinstance(item, list):
            waiting += ((inner, (path, f"[{index}]")) for index, inner in enumerate(item))
        elif isinstance(item, str) and "\0" in item:
            raise NulCharacter
        elif isinstance(item, Unusable):
            field = _text_of(path)
            raise item.error(f"{field}: {item.message}", errors=[FieldError(field, item.message)])


def _text_of(path: _Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return _shown("".join(reversed(steps)).removeprefix(".")) or "body"


def _checked(body: bytes) -> str:
    if b"\\u" in body:
        # The decoder of the standard library accepts half a surrogate pair, which is not text.
        msgspec.json.decode(body, type=msgspec.Raw)
    return body.decode()


class _Values:
    """The values of a JSON text; `refuse` returns what stands in place of one that is refused, or raises."""

    def __init__(self, refuse: Callable[[type[Unprocessable], str], object]) -> None:
        self._refuse = refuse
        self.decode: Final = JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._integer,
            parse_constant=self._constant,
        ).decode

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            for key in fields:
                if counts[key] > 1:
                    message = f'The key "{_shown(key)}" occurs more than once. Send it once.'
                    fields[key] = self._refuse(DuplicateKey, message)
        return fields

    def _float(self, text: str) -> object:
        value = float(text)
        if isinf(value):
            return self._out_of_range()
        return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value

    def _integer(self, text: str) -> object:
        try:
            return int(text)
        except ValueError:
            return self._out_of_range()

    def _out_of_range(self) -> object:
        return self._refuse(NumberOutOfRange, "Out of range. Send a number closer to zero.")

    def _constant(self, text: str) -> object:
        return self._refuse(NumberOutOfRange, f"{text} is not a number in JSON. Send digits.")


def _refuse(_error: type[Unprocessable], message: str) -> object:
    raise _Refused(message)


_decode: Final = _Values(_refuse).decode
_decode_marked: Final = _Values(Unusable).decode


def _shown(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
