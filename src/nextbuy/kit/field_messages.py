"""Sentences about invalid fields, for people: what is wrong with a value, then what to send.

msgspec's own messages name Python types and regular expressions. A type with a `pattern` has the sentence for it in
`Meta(extra={"invalid": …})`; `tests/contracts/test_field_messages.py` holds every contract to this.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from nextbuy.contracts.errors import FieldError

type_info: Final[Callable[[Any], inspect.Type]] = cache(inspect.type_info)
"""Describe a type once; later calls return the same description."""
BODY: Final = "body"
"""The name of the whole request, if no field of it is to blame."""
_KINDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "bytes": "a text in base64",
    "uuid": "an id (UUID)",
    "datetime": "a time such as 2026-01-31T12:00:00Z",
    "date": "a date such as 2026-01-31",
    "null": "null",
}
_LOCATION: Final = re.compile(r" - at (`key` in )?`\$([^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


def field_error(error: msgspec.ValidationError, kind: Any) -> FieldError:  # noqa: ANN401  types are of any type
    """Return the field of a value of type `kind` that does not fit, and the sentence about it."""
    text = str(error)
    located = _LOCATION.search(text)
    path = located[2] if located else ""
    message = text[: located.start()] if located else text
    named = re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", message, re.DOTALL)
    if named:
        path = f"{path}.{named[2]}"
        message = "Missing. Send a value." if named[1] == "missing required" else "Unknown field. Remove it."
    elif message.startswith("Invalid enum value"):
        message = f"Unknown value. Send {_choices(_types_at(kind, path, key=_is_key(located)))}."
    elif "matching regex" in message:
        message = _rule_of(_types_at(kind, path, key=_is_key(located)))
    else:
        message = _sentence(message)
    return FieldError(path.removeprefix(".") or BODY, message)


def explain(error: Exception, kind: Any) -> str:  # noqa: ANN401
    """Return one line about why a text is no `kind`, with the field, for operators."""
    if not isinstance(error, msgspec.ValidationError):
        return str(error)
    invalid = field_error(error, kind)
    return f"{invalid.field}: {invalid.message}"


def _sentence(message: str) -> str:
    for pattern, sentence in _SENTENCES:
        found = pattern.fullmatch(message)
        if found:
            return sentence(*found.groups())
    # Raised by our own code while decoding, and so a sentence already.
    return message


def _wrong_kind(expected: str) -> str:
    kinds = [_KINDS.get(one, "a value as in /docs") for one in expected.split(" | ")]
    return f"Wrong kind of value. Send {' or '.join(kinds)}."


def _length(unit: str, direction: str, length: str) -> str:
    if unit in {"str", "bytes"}:
        if direction == ">=" and length == "1":
            return "Empty. Enter a text."
        size = "short" if direction == ">=" else "long"
        return f"Too {size}. Use {_bound(direction)} {int(length):,} characters."
    size = "few" if direction == ">=" else "many"
    return f"Too {size} entries. Send {_bound(direction)} {int(length):,}."


def _bound(direction: str) -> str:
    return "at least" if direction == ">=" else "at most"


def _number(direction: str, bound: str) -> str:
    shown = f"{int(bound):,}" if bound.lstrip("-").isdecimal() else bound
    size, limit = ("small", "more") if direction.startswith(">") else ("large", "less")
    if direction in {">", "<"}:
        return f"Too {size}. Send {limit} than {shown}."
    return f"Too {size}. Send {shown} or {limit}."


def _constant(sentence: str) -> Callable[..., str]:
    return lambda *_: sentence


_SENTENCES: Final[tuple[tuple[re.Pattern[str], Callable[..., str]], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (r"Expected `(.*)`, got `.*`", _wrong_kind),
        (r"Expected `(?:int|float)` ([<>]=?) (.+)", _number),
        (r"Expected `int` that's a multiple of (.+)", lambda step: f"Not a multiple of {step}. Send one."),
        (r"Expected `(\w+)` of length ([<>]=) (\d+)", _length),
        (r"Expected `\w+` with a timezone component", _constant("The time zone is missing. Add one; Z is UTC.")),
        (r"Invalid UUID.*", _constant("Not an id. Send a UUID, as this API returns them.")),
        (r"Invalid RFC3339 encoded datetime", _constant("Not a time. Send one such as 2026-01-31T12:00:00Z.")),
        (r"Invalid RFC3339 encoded date", _constant("Not a date. Send one such as 2026-01-31.")),
        (r"Invalid base64 encoded string", _constant("Not base64. Encode the data in base64.")),
        (r".*out of range ?", _constant("Out of range. Send a number closer to zero.")),
        (r"Invalid value .*", _constant("Unknown value. See /docs for the values that are known.")),
    )
)


def _is_key(located: re.Match[str] | None) -> bool:
    return located is not None and located[1] is not None


def _choices(kinds: list[inspect.Type]) -> str:
    values: set[str] = set()
    for kind in kinds:
        match kind:
            case inspect.LiteralType():
                values.update(map(str, kind.values))
            case inspect.EnumType():
                values.update(str(one.value) for one in kind.cls)
    return f"one of: {', '.join(sorted(values))}" if values else "a value as in /docs"


def _rule_of(kinds: list[inspect.Type]) -> str:
    rules = (kind.extra.get("invalid") for kind in kinds if isinstance(kind, inspect.Metadata) and kind.extra)
    return str(next(filter(None, rules), "Wrong format. See the format in /docs."))


def _types_at(kind: Any, path: str, *, key: bool) -> list[inspect.Type]:  # noqa: ANN401
    """Return the types that the field at a path may have, after their metadata; with `key`, the types of its keys."""
    found = _variants(type_info(kind))
    for name, _index in _STEP.findall(path):
        part = next(filter(None, (_part(one, name) for one in found)), inspect.AnyType())
        found = _variants(part)
    if key:
        return [part for one in found if isinstance(one, inspect.DictType) for part in _variants(one.key_type)]
    return found


def _variants(kind: inspect.Type) -> list[inspect.Type]:
    match kind:
        case inspect.Metadata():
            return [kind, *_variants(kind.type)]
        case inspect.UnionType():
            return [one for part in kind.types for one in _variants(part)]
    return [kind]


def _part(kind: inspect.Type, name: str) -> inspect.Type | None:
    match kind:
        case inspect.StructType() if name:
            return next((field.type for field in kind.fields if field.encode_name == name), None)
        case inspect.ListType() if not name:
            return kind.item_type
        case inspect.DictType() if not name:
            return kind.value_type
    return None
