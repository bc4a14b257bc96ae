"""The rules that every response follows, whatever the request was."""

import json
import re
from typing import Any, Final

from nextbuy.kit.wire import EVENT_STREAM, PROBLEM, Response

_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_INTERNALS: Final = re.compile(
    rb"Traceback|File \\?\"|\.py\b|asyncpg|msgspec\.|postgres|redis\.|UndefinedError|"
    rb"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE)\b.*\b(?:FROM|VALUES|SET|AND|=)|"
    rb"invalid input syntax|violates|relation \\?\"|duplicate key|out of range for|"
    rb"nextbuy\.[a-z]+\.|/src/|0x[0-9a-f]{9,}"
)
_FIELDS: Final = frozenset({"type", "title", "status", "detail", "slug", "correlation_id"})
_STATUSES: Final = {
    400: "Bad request",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Body too large",
    414: "URL too long",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    431: "Headers too large",
}


def fault(answer: Response, *, page: bool = False) -> str | None:
    """Return what is wrong with a response, or None; an error of a `page` may be HTML."""
    if answer.status >= 500:
        return f"{answer.status}: {answer.body[:300]!r}"
    if answer.status < 400:
        return _fault_of_success(answer)
    if page and answer.content_type.startswith("text/html"):
        return leak(answer.body)
    if answer.content_type != PROBLEM:
        return f"a {answer.status} of {answer.content_type!r}: {answer.body[:200]!r}"
    problem: dict[str, Any] = json.loads(answer.body)
    if not problem.keys() >= _FIELDS:
        return f"a problem without {_FIELDS - problem.keys()}"
    if problem["status"] != answer.status or problem["title"] != _STATUSES.get(answer.status):
        return f"a {answer.status} with the body {problem['status']} {problem['title']}"
    if not _SLUG.fullmatch(problem["slug"]) or problem["type"] != f"/docs/problems#{problem['slug']}":
        return f"slug {problem['slug']!r}, type {problem['type']!r}"
    if not problem["detail"] or not problem["correlation_id"]:
        return "a problem without detail or correlation id"
    return leak(answer.body)


def _fault_of_success(answer: Response) -> str | None:
    if answer.status in {204, 303, 304}:
        return None if answer.body == b"" else f"a {answer.status} with a body"
    if answer.content_type == "application/json":
        json.loads(answer.body)
        return None
    return None if answer.content_type.startswith(("text/html", "image/svg+xml", EVENT_STREAM)) else answer.content_type


def leak(body: bytes) -> str | None:
    """Return what a body tells about the inside of the program, or None."""
    found = _INTERNALS.search(body)
    return None if found is None else f"leaks internals: {found[0][:80]!r} in {body[:300]!r}"
