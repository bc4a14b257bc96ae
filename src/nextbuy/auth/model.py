"""The rules of accounts: e-mail addresses, names and passwords, lifetimes of tokens and links, limits of attempts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, StrEnum, unique
from typing import Annotated, Final
from unicodedata import normalize
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.auth.common_passwords import COMMON
from nextbuy.contracts.auth import Account
from nextbuy.contracts.email_address import normal_email
from nextbuy.contracts.errors import (
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    Unprocessable,
    wrong_role,
)
from nextbuy.contracts.text import clean_line
from nextbuy.contracts.values import OPAQUE, Role, Timestamp

ACCESS_LIFE: Final = timedelta(minutes=15)
REFRESH_LIFE: Final = timedelta(days=30)

MIN_PASSWORD, MAX_PASSWORD = 8, 200
_MIN_DIFFERENT: Final = 3
"""Different characters of a password."""
_MAX_NAME: Final = 200
_EXAMPLES: Final = ["correct horse battery staple"]
Password = Annotated[str, Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD, examples=_EXAMPLES), OPAQUE]
GivenPassword = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD, examples=_EXAMPLES), OPAQUE]
"""A password at login; an earlier rule may have allowed what `Password` does not."""
GivenToken = Annotated[str, Meta(min_length=1, max_length=200), OPAQUE]


EmailTaken: Final = Conflict.of(
    "email-taken", "An account with this e-mail address exists. Sign in, or use another e-mail address."
)
PasswordTooCommon: Final = Unprocessable.of("password-common", "This password is easy to guess. Choose another.")
PasswordIsEmail: Final = Unprocessable.of(
    "password-is-email", "The password must not be your e-mail address, or the part before the @. Choose another."
)
WrongLogin: Final = Unauthenticated.of("wrong-login", "Wrong e-mail address or password. Check both and try again.")
LoginLocked: Final = TooManyRequests.of(
    "login-locked", "Too many failed attempts to sign in. Wait up to two minutes, then try again."
)
LoginBusy: Final = TooManyRequests.of(
    "login-busy", "Too many people are signing in at the moment. Wait a second, then try again."
)
TooManyAttempts: Final = TooManyRequests.of(
    "too-many-attempts", "Too many failed attempts. Wait up to two minutes, then try again."
)
MailLimit: Final = TooManyRequests.of(
    "network-mail-limit", "Too many e-mails were requested from your network. Wait ten minutes, then try again."
)
SessionNotFound: Final = NotFound.of(
    "login-session-not-found", "Session not found. It may have ended. Load the list again."
)
AddressNotFound: Final = NotFound.of(
    "address-not-found", "Saved postal address not found. It may have been deleted. Load the list again."
)
TooManyAddresses: Final = Conflict.of(
    "too-many-addresses", "You have saved 20 postal addresses, which is the maximum. Delete one first."
)
WrongPassword: Final = Forbidden.of("wrong-password", "This is not your current password. Check it and try again.")
EmailUnconfirmed: Final = Conflict.of(
    "email-unconfirmed",
    "Your e-mail address is not confirmed. Use the link in our e-mail first, or request a new link.",
)
EmailUnchanged: Final = Unprocessable.of("email-unchanged", "This is already your e-mail address. Enter another one.")
TooManyMails: Final = TooManyRequests.of(
    "mail-limit",
    "You have requested five of these e-mails in 24 hours. Use the link in the latest one, or try again later.",
)
LinkInvalid: Final = Conflict.of(
    "link-invalid", "This link has expired or was used before. Request a new one, and use the latest e-mail."
)
AccountChanged: Final = Conflict.of("account-modified", "The account changed while you signed in. Sign in again.")
Suspended: Final = Forbidden.of("suspended", "This account is suspended. Only an admin can reinstate it.")
OwnAccount: Final = Conflict.of("own-account", "You cannot suspend your own account. Ask another admin.")
LastAdmin: Final = Conflict.of("last-admin", "This is the last active admin. Create or reinstate another admin first.")
AccountNotFound: Final = NotFound.of("account-not-found", "Account not found.")
SessionEnded: Final = Unauthenticated.of("session-ended", "Your session has ended. Sign in again.")
RefreshTokenInvalid: Final = Unauthenticated.of("refresh-invalid", "Invalid refresh token. Sign in again.")
RefreshTokenExpired: Final = Unauthenticated.of("refresh-expired", "The refresh token has expired. Sign in again.")
RefreshTokenReused: Final = Unauthenticated.of(
    "refresh-reused", "This refresh token was used before, so its session has ended. Sign in again."
)


@unique
class FailureScope(Enum):
    """A subject of failed attempts: the limit of remembered failures, and how long each is remembered."""

    CLIENT = (10, timedelta(minutes=2))
    """An e-mail address with a network, or with a known device."""
    ACCOUNT = (50, timedelta(seconds=20))
    """An e-mail address, from all clients that its account does not know: the bound for guesses from many networks."""
    NETWORK = (50, timedelta(minutes=1))
    """A network, for all e-mail addresses whose account does not know it."""
    TOKEN = (30, timedelta(minutes=2))
    """A network, for tokens of links; they have 256 random bits, so that no guess is ever right."""
    MAIL = (20, timedelta(minutes=10))
    """A network, for requests for e-mails by a visitor; each counts as a failure."""

    def __init__(self, limit: int, interval: timedelta) -> None:
        self.limit = limit
        self.interval = interval


def login_wait(scope: FailureScope, forgotten_at: datetime, now: datetime) -> float:
    """Return the seconds until another login is allowed; `forgotten_at` is when the last failure is forgotten."""
    return (forgotten_at - (scope.limit - 1) * scope.interval - now).total_seconds()


def require_email(given: str) -> str:
    """Return the normal form of an e-mail address; raise Unprocessable if it is invalid."""
    try:
        return normal_email(given)
    except ValueError as error:
        raise Unprocessable(str(error), field="email") from None


def normal_name(given: str) -> str:
    """Return a name as one line of text; raise Unprocessable if it is too long, or if nothing of it is visible."""
    try:
        name = clean_line(given)
    except ValueError as error:
        raise Unprocessable(str(error), field="name") from None
    if not name or len(name) > _MAX_NAME:
        raise Unprocessable(f"Enter a name of 1 to {_MAX_NAME} characters.", field="name")
    return name


def check_new_password(password: str, *, email: str) -> None:
    """Check that a password is not among the first guesses; `email` is normalised.

    Raises:
        Unprocessable: it is easy to guess (`password-common`), or is in the e-mail address (`password-is-email`).
    """
    plain = normalize("NFKC", password).strip().lower()
    if plain in COMMON or len(set(plain)) < _MIN_DIFFERENT:
        raise PasswordTooCommon(field="password")
    if plain in {email, email.partition("@")[0]}:
        raise PasswordIsEmail(field="password")


def check_suspension(account_id: UUID, *, by: UUID, admins: Mapping[UUID, bool]) -> None:
    """Check that an admin may suspend an account; `admins` maps each admin to whether it is active.

    Raises:
        Forbidden: the deciding admin has been suspended meanwhile.
        Conflict: it is their own account (`own-account`), or the last active admin (`last-admin`).
    """
    if not admins.get(by, True):
        raise Suspended
    if account_id == by:
        raise OwnAccount
    if admins.get(account_id) and sum(admins.values()) == 1:
        raise LastAdmin


class Credentials(Struct, frozen=True):
    """An account with its password hash."""

    account: Account
    suspended: bool
    password_hash: str


class LinkPurpose(StrEnum):
    """The purpose of a link that is sent by e-mail."""

    RESET_PASSWORD = "reset-password"  # noqa: S105  not a password
    CONFIRM_EMAIL = "confirm-email"
    CHANGE_EMAIL_OLD = "change-email-old"
    CHANGE_EMAIL_NEW = "change-email-new"


EMAIL_CHANGE: Final = (LinkPurpose.CHANGE_EMAIL_OLD, LinkPurpose.CHANGE_EMAIL_NEW)
LINK_LIFE: Final = {
    LinkPurpose.RESET_PASSWORD: timedelta(minutes=30),
    LinkPurpose.CONFIRM_EMAIL: timedelta(days=7),
    LinkPurpose.CHANGE_EMAIL_OLD: timedelta(days=1),
    LinkPurpose.CHANGE_EMAIL_NEW: timedelta(days=1),
}
"""How long a link is valid after it was requested."""
MAX_MAILS: Final = 5
"""E-mails of one purpose that an account gets in `MAIL_INTERVAL`."""
MAIL_INTERVAL: Final = timedelta(days=1)


class Link(Struct, frozen=True):
    """A valid link, with its account and the account's e-mail address."""

    id: UUID
    purpose: LinkPurpose
    account_id: UUID
    email: str


class Me(Struct, frozen=True):
    """The account of the caller."""

    user: Account


class LoginSession(Struct, frozen=True, kw_only=True):
    """A login session as its owner sees it; `used_at` is when its tokens were last renewed, every 15 minutes in use.

    The device is in plain words, and the network an IPv4 address or the /64 network of an IPv6 address. Both are empty
    for sessions from before they were recorded.
    """

    id: UUID
    device: Annotated[str, Meta(examples=["Firefox on Windows"])]
    network: Annotated[str, Meta(examples=["203.0.113.7"])]
    created_at: Timestamp
    used_at: Timestamp
    current: bool


MAX_ADDRESSES: Final = 20
"""Saved postal addresses of an account."""


class SavedAddress(Struct, frozen=True, kw_only=True):
    """A saved postal address."""

    id: UUID
    full_name: str
    line1: str
    city: str
    postal_code: str
    country: str


class KnownClients(Struct, frozen=True):
    """The devices and networks that an account has signed in from, as keyed hashes."""

    devices: frozenset[bytes]
    networks: frozenset[bytes]


class SessionStatus(Struct, frozen=True):
    """A login session and its account."""

    account: Account
    suspended: bool
    ended_at: datetime | None


def require_active(session: SessionStatus | None, role: Role | None = None) -> Account:
    """Return the account of an active login session.

    Raises:
        Unauthenticated: the login session has ended.
        Forbidden: the account is suspended, or does not have the `role`.
    """
    if session is None:
        raise SessionEnded
    if session.suspended:
        raise Suspended
    if session.ended_at is not None:
        raise SessionEnded
    if role is not None and session.account.role is not role:
        raise wrong_role([role])
    return session.account
