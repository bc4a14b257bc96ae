"""Idempotency-Key: a mutation that is sent again has no further effect, and gets the stored first response.

The response is stored in the transaction of the use case (`Caller.store_response`), so a crash loses both or neither;
a use case that stores none has its response stored right after. Responses are encrypted (AES-GCM) under a key
derived from the request, so that the table reveals them, and the tokens in them, only to the sender of that request.

Requests are equal if their routes are equal and, after decoding, their parameters, bodies and conditions: neither the
case of an id nor blanks nor the order of members count. A key belongs to an account, and another request with the same
key is refused. Clients who are not signed in have no identity: many may share an IP address and choose the same key.
Its scope therefore includes the request, so that another request with the same key runs.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nextbuy.contracts.errors import Conflict, Unprocessable
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement
from nextbuy.kit.wire import Response, encode, reply_response

HEADER: Final = "idempotency-key"
REPLAYED: Final = ("idempotency-replayed", "true")
_RETENTION: Final = "24 hours"
_LEASE: Final = "12 seconds"
"""Longer than `REQUEST_TIMEOUT`. After it, the process that claimed the key counts as dead, and another may claim the
key."""
_KEY_LENGTH: Final = 255
_NONCE: Final = bytes(12)
"""Constant, because every encryption key is used once: it is derived from the request and the id of the attempt."""

_CLAIM: Final = f"""
INSERT INTO idempotency_keys AS k (scope, key, fingerprint, attempt, leased_until)
VALUES ($1, $2, $3, $4, now() + interval '{_LEASE}')
ON CONFLICT (scope, key) DO UPDATE
   SET attempt = excluded.attempt, leased_until = excluded.leased_until, fingerprint = excluded.fingerprint,
       response = NULL, created_at = now()
 WHERE k.created_at < now() - interval '{_RETENTION}'
    OR (k.response IS NULL AND k.leased_until < now() AND k.fingerprint = excluded.fingerprint)
RETURNING true
"""  # noqa: S608  constants only
_STORE: Final = (
    "UPDATE idempotency_keys SET response = $4 WHERE scope = $1 AND key = $2 AND attempt = $3 AND response IS NULL"
)
_RELEASE: Final = "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND attempt = $3 AND response IS NULL"
_PURGE: Final = purge_statement("idempotency_keys", "created_at", f"now() - interval '{_RETENTION}'")


InvalidIdempotencyKey: Final = Unprocessable.of(
    "idempotency-key-invalid", "Invalid Idempotency-Key. Send 1 to 255 printable ASCII characters."
)
IdempotencyKeyReused: Final = Unprocessable.of(
    "idempotency-key-reused", "This Idempotency-Key was used for another request. Use a new one."
)


class RequestInProgress(Conflict):
    """The same request is still being processed. Try again in a moment."""

    slug, transient = "in-progress", True


class IdempotentRequest:
    """A request with an Idempotency-Key, whose use case runs once."""

    def __init__(  # noqa: PLR0913
        self,
        scope: str,
        key: str,
        operation: str,
        decoded: object,
        *,
        secret: bytes,
        condition: Sequence[str] | None = None,
        cookies: str | None = None,
        status: int = 200,
    ) -> None:
        """Identify a request.

        Args:
            scope: the caller; equal keys of different callers do not collide.
            key: the Idempotency-Key.
            operation: the method and the path of the route.
            decoded: the request as its use case receives it, with the parameters of its path.
            secret: stored outside of the database, so that its rows cannot confirm a guessed request (a password).
            condition: the entity tags of If-Match, if the use case checks them.
            cookies: the cookies of a request without a login, or None. Many people may then share `scope`, and the
                response may depend on the cookies (a refresh token).
            status: the status of a stored reply.

        Raises:
            InvalidIdempotencyKey: the key is empty, too long, or not printable ASCII.
        """
        if not 0 < len(key) <= _KEY_LENGTH or not key.isascii() or not key.isprintable():
            raise InvalidIdempotencyKey
        self._key = key
        tags = None if condition is None else sorted(set(condition))
        values = _in_utc(msgspec.to_builtins(decoded, builtin_types=(datetime,), order="deterministic"))
        content = repr((scope, key, operation, cookies, tags, values)).encode()
        self._fingerprint = hmac.digest(secret, b"fingerprint\0" + content, "sha256")
        self._scope = f"{scope}#{self._fingerprint.hex()}" if cookies is not None else scope
        self._encryption_root = hmac.digest(secret, b"seal\0" + content, "sha256")
        self._attempt: UUID = new_id()
        self._status = status
        self._stored = False

    async def store_response(self, tx: Transaction, reply: object) -> None:
        """Store the response in the transaction of the use case; a `reply` becomes the JSON body of a response.

        Raises:
            RequestInProgress: the lease has expired and another process works on the request; roll back.
        """
        response = reply_response(self._status, reply)
        if await tx.execute(_STORE, self._scope, self._key, self._attempt, self._encrypt(response)) == "UPDATE 0":
            raise RequestInProgress(retry_after=1)
        self._stored = True

    async def run_once(self, database: Database, act: Callable[[], Awaitable[Response]]) -> Response:
        """Run `act` and store its response, or return the response that is stored.

        A response that may differ next time (429, 5xx) is not stored, nor is an error that `act` raises. A final error
        is a response that `act` returns.

        Raises:
            IdempotencyKeyReused: the key was used with another request.
            RequestInProgress: the same request is being processed.
        """
        if not await database.fetchval(_CLAIM, self._scope, self._key, self._fingerprint, self._attempt):
            return await self._stored_response(database)
        try:
            response = await act()
        except BaseException:
            # Deletes nothing if the response was stored and its transaction committed.
            await database.execute(_RELEASE, self._scope, self._key, self._attempt)
            raise
        if not self._stored or response.status >= 400:  # noqa: PLR2004
            if response.status == 429 or response.status >= 500:  # noqa: PLR2004
                await database.execute(_RELEASE, self._scope, self._key, self._attempt)
            else:
                await database.execute(_STORE, self._scope, self._key, self._attempt, self._encrypt(response))
        return response

    async def _stored_response(self, database: Database) -> Response:
        row = await database.fetchrow(
            "SELECT fingerprint, attempt, response FROM idempotency_keys WHERE scope = $1 AND key = $2",
            self._scope,
            self._key,
        )
        if row is not None and row["fingerprint"] != self._fingerprint:
            raise IdempotencyKeyReused
        if row is None or row["response"] is None:
            raise RequestInProgress(retry_after=1)
        plaintext = self._cipher(row["attempt"]).decrypt(_NONCE, row["response"], None)
        response = msgspec.json.decode(plaintext, type=Response)
        response.headers = [*response.headers, REPLAYED]
        return response

    def _encrypt(self, response: Response) -> bytes:
        return self._cipher(self._attempt).encrypt(_NONCE, encode(response), None)

    def _cipher(self, attempt: UUID) -> AESGCM:
        return AESGCM(hashlib.sha256(self._encryption_root + attempt.bytes).digest())


def _in_utc(value: object) -> object:
    """Return built-in values with their times in UTC, so that equal times have equal representations."""
    match value:
        case datetime():
            return value.astimezone(UTC)
        case dict():
            return {name: _in_utc(item) for name, item in value.items()}
        case list():
            return [_in_utc(item) for item in value]
        case _:
            return value


async def purge_idempotency_keys(database: Database) -> None:
    """Delete the keys that are older than `_RETENTION`."""
    await purge(database, _PURGE, FIRST_MOMENT)
