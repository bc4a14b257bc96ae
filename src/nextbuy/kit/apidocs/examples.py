"""Examples of messages, generated from their schemas: always the same, and valid.

A type may bring its own, like `Annotated[str, Meta(examples=["Portland"])]`; a type with a pattern has to. Any other
text is the name of its field.
"""

from typing import Any, Final
from zlib import crc32

Json = dict[str, Any]
_TIMES: Final = {"date-time": "2026-01-31T12:00:00Z", "date": "2026-01-31", "time": "12:00:00Z", "duration": "PT1M"}
_DEEPEST: Final = 8


def example(schema: Json, components: Json, *, name: str = "", about: str = "", depth: int = 0) -> Any:  # noqa: ANN401  any JSON
    """Return an example that fits a schema.

    `name` is the field that it is for, `components` are the schemas that it refers to. If several values are allowed,
    the one that `about`, the topic of an event, contains is taken. `depth` is the number of schemas around this one.
    """
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return next((value for value in schema["enum"] if str(value) in about), schema["enum"][0])
    choices = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if choices:
        return None if depth > _DEEPEST else example(choices[0], components, name=name, about=about, depth=depth)
    kind = schema.get("type")
    if kind == "object":
        return {
            field: example(one, components, name=field, about=about, depth=depth + 1)
            for field, one in schema.get("properties", {}).items()
        }
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items")] * max(1, schema.get("minItems", 1))
        return [example(one or {}, components, name=name, about=about, depth=depth + 1) for one in items]
    if kind in {"integer", "number"}:
        return min(max(1, schema.get("minimum", 1)), schema.get("maximum", 1))
    if kind == "boolean":
        return True
    return _text(schema, name) if kind == "string" else None


def _text(schema: Json, name: str) -> str:
    if schema.get("format") == "uuid":
        # A different id per field, so that a reader recognises equal ids.
        return f"01920000-0000-7000-8000-{crc32(name.encode()):012x}"
    if schema.get("format") in _TIMES:
        return _TIMES[schema["format"]]
    text = name.replace("_", " ") or "text"
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
