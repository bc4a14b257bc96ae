"""Every problem that the code can answer with, read from the code itself: what `/docs/problems` lists."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from nextbuy.contracts import errors
from nextbuy.contracts.errors import AppError
from nextbuy.kit.config import SERVICES

Json = dict[str, Any]
_GAP: Final = "…"


def problems(package: Path) -> list[Json]:
    """Return the problems of all modules below `package`, by slug, each with a detail as it may be worded."""
    texts = [path.read_text() for path in sorted(package.rglob("*.py"))]
    trees = [ast.parse(text) for text in texts if "slug" in text]
    kinds = {
        name: _told(kind)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, AppError)
    }
    for tree in trees:
        kinds.update(_classes(tree, kinds))
    found: dict[str, Json] = {errors.InternalError.slug: _told(errors.InternalError)}
    for told in (*kinds.values(), *(told for tree in trees for told in _raised(tree, kinds))):
        found.setdefault(told["slug"], told)
    return [found[slug] for slug in sorted(found)]


def _told(kind: type[AppError]) -> Json:
    detail = (kind.__doc__ or "").split("\n", 1)[0]
    return {
        "slug": kind.slug,
        "status": kind.status,
        "title": kind.title,
        "detail": detail,
        "transient": kind.transient,
    }


def _classes(tree: ast.Module, kinds: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or not node.bases or node.name in kinds:
            continue
        base = kinds.get(_name(node.bases[0]))
        if base is not None:
            own = dict(_assigned(node))
            detail = (ast.get_docstring(node) or base["detail"]).split("\n", 1)[0]
            yield (
                node.name,
                base
                | {key: own[key] for key in ("slug", "status", "title", "transient") if key in own}
                | {"detail": detail},
            )


def _assigned(node: ast.ClassDef) -> Iterator[tuple[str, object]]:
    for line in node.body:
        if not isinstance(line, ast.Assign):
            continue
        target, value = line.targets[0], line.value
        pairs = (
            zip(target.elts, value.elts, strict=True)
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            else [(target, value)]
        )
        for one, said in pairs:
            if isinstance(one, ast.Name) and isinstance(said, ast.Constant):
                yield one.id, said.value


def _raised(tree: ast.Module, kinds: dict[str, Json]) -> Iterator[Json]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        kind = kinds.get(_name(node.func))
        slug = next((word.value for word in node.keywords if word.arg == "slug"), None)
        if kind is None or slug is None:
            continue
        detail = (_text(node.args[0]) if node.args else "") or kind["detail"]
        worded = _text(slug)
        # The one thing that is filled into a slug is a service's name.
        for name in (*SERVICES, "simulator") if _GAP in worded else ("",):
            yield kind | {"slug": worded.replace(_GAP, name), "detail": detail}


def _text(node: ast.expr) -> str:
    """Return a text as it stands in the code, with an ellipsis for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _GAP for part in node.values)
    return ""


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
