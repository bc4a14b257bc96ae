"""Throttling of failed logins, per client, e-mail address and network, and of other attempts per network.

Failures are forgotten one after another at a fixed rate; a login is refused while as many as the limit of its scope are
remembered. A refused login does not count, so that the wait never exceeds one interval, and no guess renews it.

A known client has signed in to the account before: a device by its cookie, or any client of the same network. Failures
of others cannot slow it down. An e-mail without an account is throttled in the same way. Failures are counted in the
database, under keyed hashes, for all processes of auth together.
"""

import hmac
import re
import secrets
from itertools import chain, zip_longest
from typing import Final

from msgspec import Struct

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import FailureScope, KnownClients, LoginLocked, login_wait
from nextbuy.auth.sessions import DEVICE_COOKIE
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.client_network import client_network
from nextbuy.kit.http.tokens import cookies_of
from nextbuy.kit.storage.database import Transaction

_MAX_DEVICE_IDS: Final = 20
"""Device ids that a cookie keeps, and that are read from each cookie."""
_DEVICE_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")

Subjects = dict[FailureScope, bytes]
"""The keyed hashes under which a failed login is counted, in the order in which their rows are locked."""


class Client(Struct, frozen=True):
    """The client of a login: the device ids of its cookie, and its network, which may be unknown (empty)."""

    device_ids: list[str]
    network: str


def client_of(caller: Caller) -> Client:
    """Return the client of a request.

    The ids of several cookies take turns, so that a planted cookie displaces no other.
    """
    sent = cookies_of(caller.headers, DEVICE_COOKIE)
    cookies = (cookie.split(".", _MAX_DEVICE_IDS)[:_MAX_DEVICE_IDS] for cookie in sent)
    turns = chain.from_iterable(zip_longest(*cookies, fillvalue=""))
    ids = list(dict.fromkeys(one for one in turns if _DEVICE_ID.fullmatch(one)))
    return Client(ids, client_network(caller.ip_address))


def failure_subjects(
    deps: Deps, client: Client, email: str, account: Account | None, known: KnownClients | None
) -> Subjects:
    """Return the subjects of a login; a known client has only one, the client itself."""
    if account is not None and known is not None:
        device_id = _known_device(deps, client, account, known)
        if device_id is not None:
            return {FailureScope.CLIENT: _hash(deps, "device-login", email, device_id)}
        if client.network and _network(deps, client, account) in known.networks:
            return {FailureScope.CLIENT: _hash(deps, "network-login", email, client.network)}
    subjects = {
        FailureScope.CLIENT: _hash(deps, "network-login", email, client.network),
        FailureScope.ACCOUNT: _hash(deps, "account", email),
    }
    if client.network and deps.settings.rate_limits:
        subjects[FailureScope.NETWORK] = _hash(deps, "network", client.network)
    return subjects


def network_subjects(deps: Deps, scope: FailureScope, caller: Caller) -> Subjects:
    """Return the subject of attempts of another kind, by the network of their client; none if it has no limits."""
    network = client_network(caller.ip_address)
    if not network or not deps.settings.rate_limits:
        return {}
    return {scope: _hash(deps, f"network-{scope.name.lower()}", network)}


def password_subjects(deps: Deps, account: Account) -> Subjects:
    """Return the subject of guesses of the current password by callers who are signed in."""
    return {FailureScope.CLIENT: _hash(deps, "current-password", str(account.id))}


async def require_attempt(deps: Deps, subjects: Subjects, *, refusal: type[TooManyRequests] = LoginLocked) -> None:
    """Raise `refusal` if too many failures are remembered."""
    _require_attempt(deps, subjects, await store.failures(deps.database, list(subjects.values())), refusal)


async def count_failure(
    deps: Deps, subjects: Subjects, account: Account | None, *, refusal: type[TooManyRequests] = LoginLocked
) -> None:
    """Count a failed attempt; raise `refusal`, and count nothing, if others have reached a limit meanwhile."""
    async with deps.database.transaction() as tx:
        await count_attempt(deps, tx, subjects, account, refusal=refusal)


async def count_attempt(
    deps: Deps, tx: Transaction, subjects: Subjects, account: Account | None, *, refusal: type[TooManyRequests]
) -> None:
    """Count an attempt in a transaction; raise `refusal` if a limit is reached."""
    now, account_id = deps.clock(), None if account is None else account.id
    for scope, subject in subjects.items():
        owner = None if scope is FailureScope.NETWORK else account_id
        if not await store.count_failure(tx, subject, owner, at=now, limit=scope.limit, interval=scope.interval):
            raise refusal(retry_after=scope.interval.total_seconds())


async def clear_failures(deps: Deps, tx: Transaction, subjects: Subjects) -> None:
    """Delete the failures of this client after a successful login.

    Raises:
        TooManyRequests: others have reached a limit meanwhile; this success may be a lucky guess.
    """
    remembered = await store.failures(tx, list(subjects.values()))
    remembered |= await store.clear_failures(tx, subjects[FailureScope.CLIENT])
    _require_attempt(deps, subjects, remembered)


async def remember_client(
    deps: Deps, tx: Transaction, client: Client, account: Account, known: KnownClients | None, *, cookies: bool
) -> str | None:
    """Store the client of a successful login as known; return the device cookie of a client that takes cookies.

    The id of a device is new unless this account knows it: one that an attacker planted in the browser stays unknown.
    """
    device_id = _known_device(deps, client, account, known) if known is not None else None
    if device_id is None and cookies:
        device_id = secrets.token_urlsafe(16)
    await store.remember_client(
        tx,
        account.id,
        devices=[] if device_id is None else [_device(deps, device_id, account)],
        networks=[_network(deps, client, account)] if client.network else [],
    )
    if not cookies or device_id is None:
        return None
    return ".".join([device_id, *(one for one in client.device_ids if one != device_id)][:_MAX_DEVICE_IDS])


def _known_device(deps: Deps, client: Client, account: Account, known: KnownClients) -> str | None:
    return next((one for one in client.device_ids if _device(deps, one, account) in known.devices), None)


def _device(deps: Deps, device_id: str, account: Account) -> bytes:
    return _hash(deps, "device", str(account.id), device_id)


def _network(deps: Deps, client: Client, account: Account) -> bytes:
    return _hash(deps, "known-network", str(account.id), client.network)


def _require_attempt(
    deps: Deps, subjects: Subjects, remembered: store.Failures, refusal: type[TooManyRequests] = LoginLocked
) -> None:
    now = deps.clock()
    waits = [
        login_wait(scope, remembered[subject], now) for scope, subject in subjects.items() if subject in remembered
    ]
    if (wait := max(waits, default=0.0)) > 0:
        raise refusal(retry_after=wait)


def _hash(deps: Deps, *parts: str) -> bytes:
    key = deps.settings.derive("login-failures").encode()
    return hmac.digest(key, "\0".join(parts).encode(errors="surrogatepass"), "sha256")[:16]
