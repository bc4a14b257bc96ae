"""The documentation of settings, their error, and readers of values, which refuse invalid ones."""

import re
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct


class ConfigError(Exception):
    """An invalid setting; the message names it and the remedy."""


class Setting(Struct, frozen=True):
    """The documentation of a variable, written as an annotation of the field with its value."""

    name: str
    """The name of the variable without `PREFIX`."""
    meaning: str
    default: str = ""
    """A description of the default; empty if the field's default value describes itself."""
    section: str = ""
    """The heading of a new section; empty if the section of the previous field continues."""


def authorities(name: str, path: str) -> str:
    """Return the path of a file of trusted certificates; an empty path stays empty."""
    try:
        if path:
            ssl.create_default_context(cafile=path)
    except OSError:
        message = f"NEXTBUY_{name}: no readable certificates in {path}. Use a file of certificates in PEM."
        raise ConfigError(message) from None
    return path


def checked_prefix(name: str, value: str, also: str = "") -> str:
    """Return the prefix of names in an engine."""
    if not re.fullmatch(rf"[A-Za-z0-9._{also}-]{{1,100}}", value):
        allowed = ", ".join(f"'{char}'" for char in f"._{also}")
        message = f"NEXTBUY_{name} is {value!r}. Use at most 100 letters, digits, {allowed}, and '-'."
        raise ConfigError(message)
    return value


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return one of the allowed values."""
    if value not in allowed:
        message = f"NEXTBUY_{name} is {value!r}. Use one of {', '.join(allowed)}."
        raise ConfigError(message)
    return value


def number(name: str, value: str, default: float, *, minimum: float, maximum: float) -> float:
    """Return a number between the bounds; an empty value stands for `default`."""
    try:
        read = float(value or default)
    except ValueError:
        read = minimum - 1
    if not minimum <= read <= maximum:
        message = f"NEXTBUY_{name} is {value!r}. Use a number from {minimum:g} to {maximum:g}."
        raise ConfigError(message)
    return read


def checked_url(name: str, url: str, schemes: set[str]) -> str:
    """Return a URL with one of the schemes, or an empty one."""
    if url and urlsplit(url).scheme not in schemes:
        beginnings = " or ".join(sorted(f"{scheme}://" for scheme in schemes))
        message = f"NEXTBUY_{name} is invalid. Use a URL that starts with {beginnings}."
        raise ConfigError(message)
    return url
