"""Whether a message may take another form: what that breaks, and what it adds.

A form is a JSON schema. Two questions are asked of a change, and a message is asked one of them or both:

- `kept`: can who is up to date read what was written before? Asked of what is taken in, and of what a log keeps.
- `read`: can who is not up to date read what is written from today on? Asked of what is given out.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
_LOWEST: Final = {"minimum": -1, "exclusiveMinimum": -1, "minLength": -1, "minItems": -1}
_HIGHEST: Final = {"maximum": 1, "exclusiveMaximum": 1, "maxLength": 1, "maxItems": 1}
_BOUNDS: Final = _LOWEST | _HIGHEST
_NARROWED: Final = "Take what was taken; a stricter rule goes to where it is written, or into another field"
_BESIDE: Final = "Keep the field, and say what is different in another one with a default"


@dataclass
class Difference:
    """What a change of form comes to."""

    breaks: list[tuple[str, str]] = field(default_factory=list)
    """What is wrong, and what to do instead."""
    added: list[str] = field(default_factory=list)
    """What can be said beyond what could be said before."""
    later: list[str] = field(default_factory=list)
    """What is added and readers that are not up to date cannot read."""
    insisted: list[str] = field(default_factory=list)
    """What is added, and readers that are up to date cannot do without."""


def compare(old: Json, new: Json, old_types: Json, new_types: Json, *, kept: bool, read: bool) -> Difference:
    """Compare two forms of a message; `…_types` are what the references in them lead to, by name."""
    comparison = _Comparison(old_types, new_types, kept=kept, read=read)
    comparison.walk(old, new, "")
    return comparison.found


def fields(form: Json, types: Json) -> list[str]:
    """Return the names of a form's fields, in their order."""
    return list(_whole(form, types).get("properties", {}))


def _whole(form: Json, types: Json) -> Json:
    reference = form.get("$ref")
    return form if reference is None else types[reference.rpartition("/")[2]]


def _kind(form: Json) -> str:
    if "enum" in form or "const" in form:
        values = form.get("enum", [form.get("const")])
        return "integer" if all(isinstance(value, int) for value in values) else "string"
    kind = form.get("format") or form.get("type") or "anything"
    return f"{kind} of {json.dumps(form['prefixItems'])}" if "prefixItems" in form else str(kind)


class _Comparison:
    def __init__(self, old_types: Json, new_types: Json, *, kept: bool, read: bool) -> None:
        self.found = Difference()
        self._old_types = old_types
        self._new_types = new_types
        self._kept = kept
        self._read = read
        self._within: list[tuple[int, int]] = []
        """The pairs of types that are being compared, further out: a type may hold itself."""

    def walk(self, old: Json, new: Json, where: str) -> None:
        before, after = self._choices(old, self._old_types), self._choices(new, self._new_types)
        lost, gained = [*(before.keys() - after.keys())], [*(after.keys() - before.keys())]
        if (self._kept and lost) or (self._read and gained):
            self._break(f"{where or 'it'} was {_either(before)} and is {_either(after)}", _BESIDE)
        elif gained:
            self.found.added.append(f"{where or 'it'} may be {_either(gained)}")
        for kind in before.keys() & after.keys():
            self._one(before[kind], after[kind], where)

    def _choices(self, form: Json, types: Json) -> dict[str, Json]:
        whole = _whole(form, types)
        several = whole.get("anyOf") or whole.get("oneOf")
        if several is None:
            return {_kind(whole): whole}
        choices: dict[str, Json] = {}
        for one in several:
            for kind, choice in self._choices(one, types).items():
                choices[f"{kind} {choice['title']}" if kind in choices and "title" in choice else kind] = choice
        return choices

    def _one(self, old: Json, new: Json, where: str) -> None:
        self._values(old, new, where)
        for name in _BOUNDS:
            self._bound(name, old.get(name), new.get(name), where)
        if old.get("pattern") != new.get("pattern"):
            self._limit(
                f"{where} must match {new.get('pattern')}",
                narrower=new.get("pattern") is not None,
                wider=old.get("pattern") is not None,
            )
        pair = (id(old), id(new))
        if ("properties" in old or "properties" in new) and pair not in self._within:
            self._within.append(pair)
            self._fields(old, new, where)
            self._within.pop()
        for inside in ("items", "additionalProperties"):
            forms = [form.get(inside) for form in (old, new)]
            if any(isinstance(form, dict) for form in forms):
                self.walk(forms[0] or {}, forms[1] or {}, f"{where}[]")

    def _values(self, old: Json, new: Json, where: str) -> None:
        before, after = (form.get("enum", [form["const"]] if "const" in form else None) for form in (old, new))
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
                self._limit(f'{where} can be "{value}" no more', narrower=True, wider=False)
        for value in after:
            if value not in before:
                self._limit(f'{where} may be "{value}"', narrower=False, wider=True)

    def _bound(self, name: str, old: int | None, new: int | None, where: str) -> None:
        if old == new:
            return
        sign = _BOUNDS[name]
        narrower = new is not None and (old is None or sign * new < sign * old)
        self._limit(f"{where} has the {name} {'none' if new is None else new}", narrower=narrower, wider=not narrower)

    def _limit(self, what: str, *, narrower: bool, wider: bool) -> None:
        if narrower and self._kept:
            self._break(what, _NARROWED)
        elif wider:
            self.found.added.append(what)
            if self._read:
                self.found.later.append(what)

    def _fields(self, old: Json, new: Json, where: str) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        asked, asks = old.get("required", []), new.get("required", [])
        for name, form in before.items():
            path = f"{where}.{name}".lstrip(".")
            if name not in after:
                self._break(f"{path} is gone", _BESIDE)
                continue
            if name in asks and name not in asked and self._kept:
                self._break(f"{path} must be said and could be left out", "Give it back its default")
            elif name in asked and name not in asks:
                if self._read and "default" not in after[name]:
                    self._break(f"{path} may be left out and was always there", "Always say it")
                elif self._kept and not self._read:
                    self.found.added.append(f"{path} may be left out")
            self.walk(form, after[name], path)
        for name in after:
            if name not in before:
                self._more(f"{where}.{name}".lstrip("."), asked=name in asks)

    def _more(self, path: str, *, asked: bool) -> None:
        if asked and self._kept:
            self._break(f"{path} is asked for, and nobody has said it so far", "Give it a default")
            return
        self.found.added.append(path)
        if asked:
            self.found.insisted.append(path)

    def _break(self, what: str, instead: str) -> None:
        self.found.breaks.append((what, instead))


def _either(kinds: Any) -> str:  # noqa: ANN401
    return " or ".join(sorted(kinds))
