"""What types, their fields and functions mean, as the code says it; the documents and the pages show it."""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct


def meanings(kind: type[Struct]) -> dict[str, str]:
    """Return what the fields of a struct mean, by name, those of its bases too; a field without a word is left out."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        if issubclass(cls, Struct) and cls.__module__ != msgspec.__name__:
            found |= _said_in(cls.__module__).get(cls.__name__, {})
    return found


def first_line(thing: Any) -> str:  # noqa: ANN401  a class or a function
    """Return the first line of what a thing says of itself."""
    return (thing.__doc__ or "").split("\n", 1)[0]


def enrich(components: dict[str, Any], kinds: Iterable[Any]) -> None:
    """Put into the schemas of structs what msgspec leaves out: what a field means, and that a text is a time.

    Args:
        components: the schemas of all structs in `kinds`, by name; they are changed.
        kinds: the types that they were made of.
    """
    for struct in _structs(msgspec.inspect.multi_type_info(kinds), set()):
        said = meanings(struct.cls)
        properties = components.get(struct.cls.__name__, {}).get("properties", {})
        for field in struct.fields:
            schema = properties.get(field.encode_name, {})
            if field.name in said:
                schema["description"] = said[field.name]
            if any(isinstance(one, msgspec.inspect.DateTimeType) for one in _choices(field.type)):
                for choice in schema.get("anyOf", [schema]):
                    if choice.get("type") == "string":
                        choice.setdefault("format", "date-time")


@cache
def _said_in(module: str) -> dict[str, dict[str, str]]:
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return {}
    return {node.name: dict(_said(node)) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _said(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for line, below in pairwise(node.body):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
            words = ast.literal_eval(below.value) if isinstance(below.value, ast.Constant) else None
            if isinstance(words, str):
                yield line.target.id, " ".join(words.split())


def _choices(kind: msgspec.inspect.Type) -> Iterable[msgspec.inspect.Type]:
    return kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)


def _structs(node: object, seen: set[int]) -> Iterator[msgspec.inspect.StructType]:
    if isinstance(node, (tuple, list)):
        for one in node:
            yield from _structs(one, seen)
    elif isinstance(node, (msgspec.inspect.Type, msgspec.inspect.Field)) and id(node) not in seen:
        seen.add(id(node))
        if isinstance(node, msgspec.inspect.StructType) and isinstance(node.cls, type):
            yield node
        for name in node.__struct_fields__:
            yield from _structs(getattr(node, name), seen)
