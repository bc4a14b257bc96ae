"""The rules of accounts: what an e-mail and a password must be, how long things live, when a login is locked."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Final
from unicodedata import normalize

import msgspec
from msgspec import Meta, Struct

from nextbuy.auth.common_passwords import COMMON
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import (
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    Unprocessable,
    WrongRole,
)
from nextbuy.contracts.values import Email, Role

ACCESS_LIFE: Final = timedelta(minutes=15)
REFRESH_LIFE: Final = timedelta(days=30)

MIN_PASSWORD, MAX_PASSWORD = 8, 200
_FEWEST_MARKS: Final = 3
"""How many different characters a password has at least."""
_LONGEST_NAME: Final = 200
_EXAMPLES: Final = ["correct horse battery staple"]
Password = Annotated[str, Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD, examples=_EXAMPLES)]
GivenPassword = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD, examples=_EXAMPLES)]
"""What somebody types as their password: an earlier rule may have allowed what `Password` does not."""
GivenToken = Annotated[str, Meta(min_length=1, max_length=200)]

FAILURE_WINDOW: Final = timedelta(minutes=15)
"""Failures are forgotten when this long has passed since the last one, and since the lock that it brought."""
LONGEST_LOCK: Final = timedelta(minutes=15)
"""No lock is longer: it must not be a cheap way to keep somebody out for ever."""
_FIRST_LOCK: Final = timedelta(minutes=1)


class EmailTaken(Conflict, slug="email-taken"):
    """An account with this e-mail exists. Log in, or use another e-mail."""


class PasswordTooCommon(Unprocessable, slug="password-common"):
    """This password is easy to guess. Choose another."""


class PasswordIsEmail(Unprocessable, slug="password-is-email"):
    """The password must differ from the e-mail address. Choose another."""


class WrongLogin(Unauthenticated, slug="wrong-login"):
    """Wrong e-mail or password."""


class LoginLocked(TooManyRequests, slug="login-locked"):
    """Too many failed logins. Wait as long as Retry-After says."""


class LoginBusy(TooManyRequests, slug="login-busy"):
    """Too many logins at the moment. Try again in a moment."""


class AccountChanged(Conflict, slug="account-changed"):
    """The account changed during this login. Log in again."""


class Suspended(Forbidden, slug="suspended"):
    """This account is suspended. Write to support."""


class AccountNotFound(NotFound, slug="account-not-found"):
    """Account not found."""


class SessionEnded(Unauthenticated, slug="session-ended"):
    """Your session has ended. Log in again."""


class RefreshTokenInvalid(Unauthenticated, slug="refresh-invalid"):
    """Invalid refresh token. Log in again."""


class RefreshTokenExpired(Unauthenticated, slug="refresh-expired"):
    """The refresh token has expired. Log in again."""


class RefreshTokenReused(Unauthenticated, slug="refresh-reused"):
    """This refresh token was used before, so its session has ended. Log in again."""


class Watch(Enum):
    """What failed logins are counted by; the value is how many it takes until it is locked."""

    ACCOUNT = 10
    ADDRESS = 50


def lock_length(watch: Watch, failures: int) -> timedelta | None:
    """Return for how long this many failures lock: 1, 2, 4, 8, then 15 minutes; None for too few."""
    beyond = failures - watch.value
    if beyond < 0:
        return None
    return min(_FIRST_LOCK * (1 << min(beyond, 10)), LONGEST_LOCK)


def normal_email(given: str) -> str:
    """Return the one spelling of an e-mail address that stands for all its spellings.

    Raises:
        Unprocessable: it is none, once it is written so.
    """
    email = normalize("NFKC", normalize("NFKC", given).strip().lower())
    try:
        email = msgspec.convert(email, Email)
    except msgspec.ValidationError:
        email = ""
    if not email.isprintable() or not email:
        raise Unprocessable("Enter a valid e-mail address.", field="email")
    return email


def normal_name(given: str) -> str:
    """Return a name in one line.

    Raises:
        Unprocessable: nothing of it can be seen.
    """
    name = " ".join("".join(mark if mark.isprintable() else " " for mark in normalize("NFC", given)).split())
    if not name or len(name) > _LONGEST_NAME:
        raise Unprocessable(f"Enter a name of 1 to {_LONGEST_NAME} characters.", field="name")
    return name


def check_new_password(password: str, *, email: str) -> None:
    """Refuse a password that a guesser tries first; `email` is normal.

    Raises:
        Unprocessable: it is one.
    """
    plain = normalize("NFKC", password).strip().lower()
    if plain in COMMON or len(set(plain)) < _FEWEST_MARKS:
        raise PasswordTooCommon(field="password")
    if plain in {email, email.partition("@")[0]}:
        raise PasswordIsEmail(field="password")


class Known(Struct, frozen=True):
    """An account as auth knows it."""

    account: Account
    suspended: bool
    password_hash: str


class Standing(Struct, frozen=True):
    """An account, and one of its sessions."""

    account: Account
    suspended: bool
    ended_at: datetime | None


def check_standing(standing: Standing | None, role: Role | None = None) -> Account:
    """Return whose session it is, where it may be used (by a `role`).

    Raises:
        Unauthenticated: it has ended.
        Forbidden: the account is suspended, or has another role.
    """
    if standing is None:
        raise SessionEnded
    if standing.suspended:
        raise Suspended
    if standing.ended_at is not None:
        raise SessionEnded
    if role is not None and standing.account.role is not role:
        raise WrongRole(f"This is for {role} accounts.")
    return standing.account
