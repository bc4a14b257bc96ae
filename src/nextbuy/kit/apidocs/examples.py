"""An example of a message, made from its schema: the same whenever it is made, and one that its reader takes.

A field's name says what to write into it. Where that is not enough (a pattern, a form of its own), its type says it:
`Annotated[str, Meta(pattern=…, examples=["…"])]`.
"""

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

Json = dict[str, Any]
WORDS: Final[Mapping[str, Any]] = {
    "amount": 6_850,
    "category": "Lighting",
    "city": "Portland",
    "country": "US",
    "currency": "USD",
    "description": "A lamp of brass, with a shade of linen.",
    "email": "ada@example.com",
    "excerpt": "miracle cure",
    "fields": "price",
    "full_name": "Ada Winter",
    "line1": "12 Harbour Street",
    "link": "/admin",
    "name": "Ada Winter",
    "number": "NB-1042",
    "password": "correct horse battery staple",
    "postal_code": "97201",
    "reason": "The photographs show another product.",
    "rules": "forbidden-words",
    "score": 40,
    "shop_name": "Winter Lamps",
    "slug": "brass-lamp",
    "tags": "brass",
    "title": "Brass lamp",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "url": "/shop",
}
_TIMES: Final = {"date-time": "2026-01-31T12:00:00Z", "date": "2026-01-31", "time": "12:00:00Z", "duration": "PT1M"}
_DEEPEST: Final = 8


def example(schema: Json, components: Json, *, name: str = "", about: str = "") -> Any:  # noqa: ANN401  any JSON
    """Return an example of what a schema describes.

    Args:
        schema: a JSON schema as msgspec makes it.
        components: what its references lead to, by the last part of the reference.
        name: the field that it is for.
        about: a text that says what the example tells of: of several values it takes one that is in there.
    """
    return _example(schema, components, name, about, 0)


def _example(schema: Json, components: Json, name: str, about: str, depth: int) -> Any:  # noqa: ANN401
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return next((value for value in schema["enum"] if str(value) in about), schema["enum"][0])
    choices = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if choices:
        return None if depth > _DEEPEST else _example(choices[0], components, name, about, depth)
    kind = schema.get("type")
    if kind == "object":
        return {
            field: _example(one, components, field, about, depth + 1)
            for field, one in schema.get("properties", {}).items()
        }
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items")] * max(1, schema.get("minItems", 1))
        return [_example(one or {}, components, name, about, depth + 1) for one in items]
    if kind in {"integer", "number"}:
        number = WORDS.get(name, 1)
        return min(max(number, schema.get("minimum", number)), schema.get("maximum", number))
    if kind == "boolean":
        return True
    return _text(schema, name) if kind == "string" else None


def _text(schema: Json, name: str) -> str:
    if schema.get("format") == "uuid":
        # Another one for each field, so that a reader sees which ids are the same.
        return f"01920000-0000-7000-8000-{crc32(name.encode()):012x}"
    if schema.get("format") in _TIMES:
        return _TIMES[schema["format"]]
    text = str(WORDS.get(name, name.replace("_", " ") or "text"))
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
