"""Texts of requests, cleaned before their type judges them, so that lengths count what is stored.

Every text of a public request is one line, unless its type is marked otherwise (`contracts/values.py: TEXT`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import inspect

from nextbuy.contracts.email_address import normal_email
from nextbuy.contracts.errors import FieldError, Unprocessable
from nextbuy.contracts.text import clean_line, clean_lines, normal_secret
from nextbuy.contracts.values import TEXT, TextForm
from nextbuy.kit.field_messages import type_info

_CLEAN: Final[Mapping[TextForm, Callable[[str], str]]] = {
    TextForm.LINE: clean_line,
    TextForm.LINES: clean_lines,
    TextForm.OPAQUE: normal_secret,
    TextForm.EMAIL: normal_email,
}
_MAX_SHRINKAGE: Final = 4
"""The characters that NFC combines into one at most; a text that is longer than that is too long in any form."""


def clean_texts(value: object, kind: Any) -> Any:  # noqa: ANN401  decoded JSON and its type
    """Return decoded JSON with the texts of a request type in their form.

    Raises:
        Unprocessable: a text contains what no text may; `errors` names the field.
    """
    return _clean(value, type_info(kind), "", TextForm.LINE)


def _clean(value: object, kind: inspect.Type, path: str, form: TextForm) -> object:
    match kind, value:
        case inspect.Metadata(), _:
            return _clean(value, kind.type, path, (kind.extra or {}).get(TEXT, form))
        case inspect.UnionType(), _:
            for one in kind.types:
                value = _clean(value, one, path, form)
            return value
        case inspect.StrType(), str():
            return _clean_text(value, kind, path, form)
        case inspect.ListType(), list():
            return [_clean(item, kind.item_type, f"{path}[{at}]", form) for at, item in enumerate(value)]
        case inspect.StructType(), dict():
            texts = {
                field.encode_name: _clean(
                    value[field.encode_name], field.type, f"{path}.{field.encode_name}".lstrip("."), form
                )
                for field in kind.fields
                if field.encode_name in value
            }
            return {**value, **texts}
    return value


def _clean_text(text: str, kind: inspect.StrType, path: str, form: TextForm) -> str:
    if kind.max_length is not None and len(text) > kind.max_length * _MAX_SHRINKAGE:
        return text
    try:
        return _CLEAN[form](text)
    except ValueError as error:
        raise Unprocessable(f"{path}: {error}", errors=[FieldError(path, str(error))]) from None
