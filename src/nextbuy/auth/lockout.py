"""Failed logins lock an e-mail, and the address that they come from, for a while.

The same happens whether or not there is such an account. What is counted is a keyed hash, in the database, so that all
copies of auth count together.
"""

import hmac

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import (
    LoginLocked,
    Watch,
    lock_length,
)
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.kit.http.client_network import client_network
from nextbuy.kit.storage.database import Transaction

Watched = dict[Watch, bytes]


def watched(deps: Deps, email: str, address: str) -> Watched:
    """Return what a login's failures are counted by; not by address where rate limits are off, or none is known."""
    key = deps.settings.derive("login-failures").encode()
    found = {Watch.ACCOUNT: account_subject(deps, email)}
    if address and deps.settings.rate_limits:
        found[Watch.ADDRESS] = hmac.digest(
            key, b"address\0" + client_network(address).encode(errors="replace"), "sha256"
        )
    return found


def account_subject(deps: Deps, email: str) -> bytes:
    """Return what the failures of a (normal) e-mail are counted by."""
    return hmac.digest(deps.settings.derive("login-failures").encode(), b"account\0" + email.encode(), "sha256")


async def count_failure(deps: Deps, subjects: Watched) -> None:
    """Count one more failure.

    Raises:
        TooMany: guesses made at the same time have locked it meanwhile.
    """
    now = deps.clock()
    async with deps.database.transaction() as tx:
        counts = await store.count_failure(tx, list(subjects.values()), at=now)
        locked = [until for _, until in counts.values() if until is not None and until > now]
        lengths = {
            subject: length
            for watch, subject in subjects.items()
            for failures, until in [counts[subject]]
            if (until is None or until <= now) and (length := lock_length(watch, failures)) is not None
        }
        if lengths:
            await store.lock_logins(tx, {subject: now + length for subject, length in lengths.items()})
    if locked:
        raise locked_for((max(locked) - now).total_seconds())


async def forget_failures(deps: Deps, tx: Transaction, subject: bytes) -> None:
    """Forget an account's failures after a success.

    Raises:
        TooMany: guesses made at the same time have locked it meanwhile; this success was one of them.
    """
    now = deps.clock()
    until = await store.forget_failures(tx, subject)
    if until is not None and until > now:
        raise locked_for((until - now).total_seconds())


def locked_for(seconds: float) -> TooManyRequests:
    """Return the refusal of a login that is locked."""
    return LoginLocked(retry_after=seconds)
