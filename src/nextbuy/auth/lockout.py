"""The lockout of e-mail addresses and IP addresses after failed logins.

An e-mail without an account is locked in the same way. Failures are counted in the database, under keyed hashes, for
all processes of auth together.
"""

import hmac

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import FailureScope, LoginLocked, lock_duration
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.kit.http.client_network import client_network
from nextbuy.kit.storage.database import Transaction

FailureSubjects = dict[FailureScope, bytes]
"""The keyed hashes under which failed logins are counted."""


def failure_subjects(deps: Deps, email: str, ip_address: str) -> FailureSubjects:
    """Return the subjects of a login: its e-mail and, unless rate limits are off, its IP address."""
    key = deps.settings.derive("login-failures").encode()
    subjects = {FailureScope.ACCOUNT: account_subject(deps, email)}
    if ip_address and deps.settings.rate_limits:
        subjects[FailureScope.IP_ADDRESS] = hmac.digest(
            key, b"address\0" + client_network(ip_address).encode(errors="replace"), "sha256"
        )
    return subjects


def account_subject(deps: Deps, email: str) -> bytes:
    """Return the keyed hash under which failed logins of a normalised e-mail are counted."""
    return hmac.digest(deps.settings.derive("login-failures").encode(), b"account\0" + email.encode(), "sha256")


async def count_failure(deps: Deps, subjects: FailureSubjects) -> None:
    """Count a failed login; raise TooManyRequests if other failures have locked the login meanwhile."""
    now = deps.clock()
    async with deps.database.transaction() as tx:
        counts = await store.count_failure(tx, list(subjects.values()), at=now)
        lock_ends = [until for _, until in counts.values() if until is not None and until > now]
        durations = {
            subject: duration
            for scope, subject in subjects.items()
            for failures, until in [counts[subject]]
            if (until is None or until <= now) and (duration := lock_duration(scope, failures)) is not None
        }
        if durations:
            await store.lock_logins(tx, {subject: now + duration for subject, duration in durations.items()})
    if lock_ends:
        raise login_locked((max(lock_ends) - now).total_seconds())


async def clear_failures(deps: Deps, tx: Transaction, subject: bytes) -> None:
    """Delete an account's failures after a successful login.

    Raises:
        TooManyRequests: failures have locked the login meanwhile; this success may be a lucky guess.
    """
    now = deps.clock()
    until = await store.clear_failures(tx, subject)
    if until is not None and until > now:
        raise login_locked((until - now).total_seconds())


def login_locked(seconds: float) -> TooManyRequests:
    """Return the error for a login that stays locked for `seconds`."""
    return LoginLocked(retry_after=seconds)
