"""Examples of messages, generated from their schemas: valid, and the same in every run.

A type may bring its own example, like `Annotated[str, Meta(examples=["Portland"])]`; a type with a pattern must. Any
other string gets the name of its field.
"""

from typing import Any, Final
from zlib import crc32

Json = dict[str, Any]
_TIMES: Final = {"date-time": "2026-01-31T12:00:00Z", "date": "2026-01-31", "time": "12:00:00Z", "duration": "PT1M"}
_MAX_DEPTH: Final = 8


def example(schema: Json, components: Json, *, name: str = "", about: str = "", depth: int = 0) -> Any:  # noqa: ANN401  any JSON
    """Return an example that fits a schema.

    `name` is the field of the example, `components` are the schemas that `schema` may refer to. Of an enum, the value
    that `about`, the topic of an event, contains is preferred. `depth` is the number of schemas around this one.
    """
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return next((value for value in schema["enum"] if str(value) in about), schema["enum"][0])
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    if choices:
        return None if depth > _MAX_DEPTH else example(choices[0], components, name=name, about=about, depth=depth)
    kind = schema.get("type")
    if kind == "object":
        return {
            field: example(value, components, name=field, about=about, depth=depth + 1)
            for field, value in schema.get("properties", {}).items()
        }
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items")] * max(1, schema.get("minItems", 1))
        return [example(item or {}, components, name=name, about=about, depth=depth + 1) for item in items]
    if kind in {"integer", "number"}:
        return min(max(1, schema.get("minimum", 1)), schema.get("maximum", 1))
    if kind == "boolean":
        return True
    return _string(schema, name) if kind == "string" else None


def _string(schema: Json, name: str) -> str:
    if schema.get("format") == "uuid":
        # A different id per field, so that a reader recognises equal ids.
        return f"01920000-0000-7000-8000-{crc32(name.encode()):012x}"
    if schema.get("format") in _TIMES:
        return _TIMES[schema["format"]]
    words = name.replace("_", " ") or "text"
    return words.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
