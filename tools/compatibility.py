"""Compare two JSON schemas of a message: the incompatible changes and the additions.

A message needs one or both kinds of compatibility:

- backward: new readers can read old messages. Requests need it, and events, since a log stores old ones.
- forward: old readers can read new messages. Replies need it, and events.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
_LOWEST: Final = {"minimum": -1, "exclusiveMinimum": -1, "minLength": -1, "minItems": -1}
_HIGHEST: Final = {"maximum": 1, "exclusiveMaximum": 1, "maxLength": 1, "maxItems": 1}
_BOUNDS: Final = _LOWEST | _HIGHEST
_KEEP_VALUES: Final = "Accept the old values; add a stricter rule where values are created, or in a new field"
_KEEP_FIELD: Final = "Keep the field, and add a new one with a default"


@dataclass
class Difference:
    """The differences between two schemas."""

    breaks: list[tuple[str, str]] = field(default_factory=list)
    """Incompatible changes, each with what to do instead."""
    added: list[str] = field(default_factory=list)
    """Additions: fields and values."""
    unreadable: list[str] = field(default_factory=list)
    """Additions that old readers cannot read."""
    required: list[str] = field(default_factory=list)
    """Additions that new readers require."""


def compare(old: Json, new: Json, old_types: Json, new_types: Json, *, backward: bool, forward: bool) -> Difference:
    """Compare two schemas of a message; `…_types` are the types that their references name."""
    comparison = _Comparison(old_types, new_types, backward=backward, forward=forward)
    comparison.walk(old, new, "")
    return comparison.found


def fields(schema: Json, types: Json) -> list[str]:
    """Return the names of a schema's fields, in their order."""
    return list(_whole(schema, types).get("properties", {}))


def _whole(schema: Json, types: Json) -> Json:
    reference = schema.get("$ref")
    return schema if reference is None else types[reference.rpartition("/")[2]]


def _kind(schema: Json) -> str:
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "integer" if all(isinstance(value, int) for value in values) else "string"
    kind = schema.get("format") or schema.get("type") or "anything"
    return f"{kind} of {json.dumps(schema['prefixItems'])}" if "prefixItems" in schema else str(kind)


class _Comparison:
    def __init__(self, old_types: Json, new_types: Json, *, backward: bool, forward: bool) -> None:
        self.found = Difference()
        self._old_types = old_types
        self._new_types = new_types
        self._backward = backward
        self._forward = forward
        self._open: list[tuple[int, int]] = []
        """The pairs of types that are being compared already: a type may contain itself."""

    def walk(self, old: Json, new: Json, where: str) -> None:
        before, after = self._choices(old, self._old_types), self._choices(new, self._new_types)
        lost, gained = [*(before.keys() - after.keys())], [*(after.keys() - before.keys())]
        if (self._backward and lost) or (self._forward and gained):
            self._break(f"{where or 'it'} changed from {_either(before)} to {_either(after)}", _KEEP_FIELD)
        elif gained:
            self.found.added.append(f"{where or 'it'} may be {_either(gained)}")
        for kind in before.keys() & after.keys():
            self._one(before[kind], after[kind], where)

    def _choices(self, schema: Json, types: Json) -> dict[str, Json]:
        whole = _whole(schema, types)
        several = whole.get("anyOf") or whole.get("oneOf")
        if several is None:
            return {_kind(whole): whole}
        choices: dict[str, Json] = {}
        for alternative in several:
            for kind, choice in self._choices(alternative, types).items():
                choices[f"{kind} {choice['title']}" if kind in choices and "title" in choice else kind] = choice
        return choices

    def _one(self, old: Json, new: Json, where: str) -> None:
        self._values(old, new, where)
        # Named values have no other bounds.
        is_named = "enum" in new or "const" in new
        for name in () if is_named else _BOUNDS:
            self._bound(name, old.get(name), new.get(name), where)
        if not is_named and old.get("pattern") != new.get("pattern"):
            self._limit(
                f"{where} must match {new.get('pattern')}",
                narrower=new.get("pattern") is not None,
                wider=old.get("pattern") is not None,
            )
        pair = (id(old), id(new))
        if ("properties" in old or "properties" in new) and pair not in self._open:
            self._open.append(pair)
            self._fields(old, new, where)
            self._open.pop()
        for inside in ("items", "additionalProperties"):
            schemas = [schema.get(inside) for schema in (old, new)]
            if any(isinstance(schema, dict) for schema in schemas):
                self.walk(schemas[0] or {}, schemas[1] or {}, f"{where}[]")

    def _values(self, old: Json, new: Json, where: str) -> None:
        before, after = (schema.get("enum", [schema["const"]] if "const" in schema else None) for schema in (old, new))
        if before == after:
            return
        if before is None or after is None:
            self._limit(
                f"{where} must be one of {after}" if after else f"{where} may be any text",
                narrower=before is None,
                wider=after is None,
            )
            return
        for value in before:
            if value not in after:
                self._limit(f'{where} no longer allows "{value}"', narrower=True, wider=False)
        for value in after:
            if value not in before:
                self._limit(f'{where} allows "{value}"', narrower=False, wider=True)

    def _bound(self, name: str, old: int | None, new: int | None, where: str) -> None:
        if old == new:
            return
        sign = _BOUNDS[name]
        narrower = new is not None and (old is None or sign * new < sign * old)
        self._limit(f"{where} has the {name} {'none' if new is None else new}", narrower=narrower, wider=not narrower)

    def _limit(self, what: str, *, narrower: bool, wider: bool) -> None:
        if narrower and self._backward:
            self._break(what, _KEEP_VALUES)
        elif wider:
            self.found.added.append(what)
            if self._forward:
                self.found.unreadable.append(what)

    def _fields(self, old: Json, new: Json, where: str) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        required, requires = old.get("required", []), new.get("required", [])
        for name, schema in before.items():
            path = f"{where}.{name}".lstrip(".")
            if name not in after:
                self._break(f"{path} was removed", _KEEP_FIELD)
                continue
            if name in requires and name not in required and self._backward:
                self._break(f"{path} was optional and is required", "Restore its default")
            elif name in required and name not in requires:
                if self._forward and "default" not in after[name]:
                    self._break(f"{path} was always present and is optional", "Always set it")
                elif self._backward and not self._forward:
                    self.found.added.append(f"{path} is optional")
            self.walk(schema, after[name], path)
        for name in after:
            if name not in before:
                self._more(f"{where}.{name}".lstrip("."), required=name in requires)

    def _more(self, path: str, *, required: bool) -> None:
        if required and self._backward:
            self._break(f"{path} is new and required", "Add a default")
            return
        self.found.added.append(path)
        if required:
            self.found.required.append(path)

    def _break(self, what: str, instead: str) -> None:
        self.found.breaks.append((what, instead))


def _either(kinds: Any) -> str:  # noqa: ANN401
    return " or ".join(sorted(kinds))
