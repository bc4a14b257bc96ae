"""Texts for log lines: without apparent secrets, and bounded in length."""

import errno
import os
import re
from typing import Final

from nextbuy.contracts.errors import AppError

_HIDDEN: Final = "[hidden]"
_SECRETS: Final = re.compile(
    r"""
    eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?                                      # an access token (JWT), also if it was cut
  | (?i:\b(?:bearer|basic)\s+)[\w.+/=~-]+                                  # the Authorization header
  | (?i:\bnextbuy_(?:access|refresh|csrf|basket)\s*=\s*)[^\s;,"'\\]+       # cookies of the marketplace
  | (?i:\b(?:set-)?cookie["']?\s*[:=]\s*)[^\r\n"']+
  | [\w.!\#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+                         # an e-mail address
  | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                                        # user and password in a URL
  | \$argon2\w*\$\S+
  | v1=[0-9a-f]{16,}                                                       # the signature of a webhook
  | \b(?:whsec|sk_live|sk_test|rk_live|rk_test)_\w+                        # keys of the payment provider
  | (?i:["']?\b\w*(?:password|passwd|secret|token|api[_-]?key|card_number)["']?\s*[=:]\s*)
    (?:"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|[^\s"',;&})\]]+)              # a field or a parameter with such a name
  | (?<![\w-])(?!4242[ -]?4242|4000[ -]?0000)(?:\d[ -]?){15}\d(?![\w-])     # a card number, except the test cards
    """,
    re.VERBOSE,
)
_OPAQUE: Final = re.compile(r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{40,}(?![\w-])")
"""Random letters and digits of the length of a refresh token; no id of the marketplace mixes upper and lower case."""
_MAX_REASON: Final = 400
"""Characters of the reason of one interaction."""
_MAX_CAUSE: Final = 160
"""Characters of each cause."""
_MAX_CAUSES: Final = 5
_CONNECTION_FAILURES: Final = frozenset(
    {errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT}
)
_MAX_EXCERPT: Final = 120
"""Bytes of the beginning of a response that cannot be decoded."""


def redact(text: str) -> str:
    """Hide apparent secrets in a text, and make it encodable as UTF-8."""
    text = text.encode(errors="replace").decode()
    return _OPAQUE.sub(_HIDDEN, _SECRETS.sub(_HIDDEN, text))


def excerpt(body: bytes) -> str:
    """Return the beginning of a body as text without secrets; a secret that is cut in two is hidden too."""
    # More than is shown is searched, so that the beginning of a secret at the end is recognised.
    return redact(body[: 4 * _MAX_EXCERPT].decode(errors="replace"))[:_MAX_EXCERPT]


def reason_of(error: BaseException) -> str:
    """Return why something failed: the text of the error, its notes, and each of its causes with its class."""
    parts = [_detail_of(error) if isinstance(error, AppError) else f"{type(error).__name__}: {error}"]
    parts += getattr(error, "__notes__", ())
    link = _cause(error)
    while link is not None and len(parts) <= _MAX_CAUSES:
        text = _connection_failure(link)
        if not text:
            name = link.slug if isinstance(link, AppError) else type(link).__name__
            text = f"{name}: {link}"[: 4 * _MAX_CAUSE]
        # Skip a cause that only repeats the text of the error.
        if text not in parts and not (isinstance(link, AppError) and str(link) == str(error)):
            parts.append(text)
        parts += getattr(link, "__notes__", ())
        link = _cause(link)
    return " <- ".join(redact(part)[:_MAX_CAUSE] if index else redact(part) for index, part in enumerate(parts))[
        :_MAX_REASON
    ]


def _detail_of(error: AppError) -> str:
    """Return the detail and the messages about fields, which never contain the value that the client sent."""
    fields = [f"{one.message} (field {one.field})" for one in error.errors or ()]
    if len(fields) == 1 and error.detail.endswith(error.errors[0].message):  # type: ignore[index]
        return fields[0]
    return "; ".join([error.detail, *fields])


def _connection_failure(error: BaseException) -> str:
    """Return the short text of a failed connection, which is the same whichever library reports it."""
    if isinstance(error, OSError) and error.errno in _CONNECTION_FAILURES:
        return os.strerror(error.errno).lower()
    return ""


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)
