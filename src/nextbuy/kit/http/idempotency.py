"""The same request twice is one act: `Idempotency-Key` on any mutation.

The first answer is kept and given again, marked as replayed. It is kept in the transaction of the act itself
(`IdempotentRequest.keep`), so there is no moment at which the act is done and its answer unknown; an act without such a
transaction keeps it right after. Answers are sealed under a key made of the request (AES-GCM), so the table tells
nothing, tokens least of all, to who has not sent that very request.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nextbuy.contracts.errors import Conflict, Unprocessable
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement
from nextbuy.kit.wire import Request, Response, encode

HEADER: Final = "idempotency-key"
REPLAYED: Final = ("idempotency-replayed", "true")
KEPT: Final = "24 hours"
_LEASE: Final = "30 seconds"
"""After this long without an answer the process that worked on it is taken for dead; the request may be sent again."""
_LONGEST: Final = 255
_NONCE: Final = bytes(12)
"""Each key seals one answer only: it is made of the request and of this very attempt's id."""

_CLAIM: Final = f"""
INSERT INTO idempotency_keys AS k (scope, key, fingerprint, attempt, leased_until)
VALUES ($1, $2, $3, $4, now() + interval '{_LEASE}')
ON CONFLICT (scope, key) DO UPDATE
   SET attempt = excluded.attempt, leased_until = excluded.leased_until, fingerprint = excluded.fingerprint,
       answer = NULL, created_at = now()
 WHERE k.created_at < now() - interval '{KEPT}'
    OR (k.answer IS NULL AND k.leased_until < now() AND k.fingerprint = excluded.fingerprint)
RETURNING true
"""  # noqa: S608  words of our own
_KEEP: Final = (
    "UPDATE idempotency_keys SET answer = $4 WHERE scope = $1 AND key = $2 AND attempt = $3 AND answer IS NULL"
)
_FORGET: Final = "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND attempt = $3 AND answer IS NULL"
_DROP: Final = purge_statement("idempotency_keys", "created_at", f"now() - interval '{KEPT}'")


InvalidIdempotencyKey: Final = Unprocessable.of(
    "idempotency-key-invalid", "Invalid Idempotency-Key. Send 1 to 255 printable ASCII characters."
)
IdempotencyKeyReused: Final = Unprocessable.of(
    "idempotency-key-reused", "This Idempotency-Key was used for another request. Use a new one."
)
RequestInProgress: Final = Conflict.of(
    "in-progress", "The same request is still being processed. Try again in a moment."
)


class IdempotentRequest:
    """Keeps the answer to one request under its key."""

    def __init__(self, scope: str, key: str, request: Request, *, secret: bytes, bearer: str = "") -> None:
        """Stand for one request of one caller (`scope`).

        `bearer` is what the caller brings beside it that the answer depends on. The `secret` is not in the database:
        without it, guesses of what a request held, a password say, could be tried on the table.

        Raises:
            Unprocessable: the key is empty, too long, or not printable ASCII.
        """
        if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
            raise InvalidIdempotencyKey
        self._scope = scope
        self._key = key
        parts = (scope, key, request.method, request.path, request.query, bearer)
        whole = repr(parts).encode() + b"\0" + request.body
        self._fingerprint = hmac.digest(secret, b"fingerprint\0" + whole, "sha256")
        self._seal_root = hmac.digest(secret, b"seal\0" + whole, "sha256")
        self._attempt: UUID = new_id()
        self.status = 200
        self.kept = False

    def _cipher(self, attempt: UUID) -> AESGCM:
        return AESGCM(hashlib.sha256(self._seal_root + attempt.bytes).digest())

    def _sealed(self, answer: Response) -> bytes:
        return self._cipher(self._attempt).encrypt(_NONCE, encode(answer), None)

    async def store_response(self, tx: Transaction, reply: object) -> None:
        """Keep the answer in the transaction of the act; a `reply` that is no `Response` yet becomes its JSON body.

        Raises:
            Conflict: this took so long that somebody else works on the request by now; what was done here must be
            undone.
        """
        answer = reply if isinstance(reply, Response) else Response(self.status, encode(reply))
        if await tx.execute(_KEEP, self._scope, self._key, self._attempt, self._sealed(answer)) == "UPDATE 0":
            raise RequestInProgress(retry_after=1)
        self.kept = True

    async def run_once(self, database: Database, act: Callable[[], Awaitable[Response]]) -> Response:
        """Do `act`, or give the answer that it gave before.

        An answer that may be different next time (429, 5xx) is not kept, nor is an error that `act` raises: one that is
        final it returns.

        Raises:
            Unprocessable: the key was used with another request (`idempotency-key-reused`).
            Conflict: the same request is being worked on now (`in-progress`).
        """
        if not await database.fetchval(_CLAIM, self._scope, self._key, self._fingerprint, self._attempt):
            return await self._earlier(database)
        try:
            answer = await act()
        except BaseException:
            # Does nothing where the answer was kept; where it was and its transaction failed after all, it was not.
            await database.execute(_FORGET, self._scope, self._key, self._attempt)
            raise
        if not self.kept or answer.status >= 400:  # noqa: PLR2004
            if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004
                await database.execute(_FORGET, self._scope, self._key, self._attempt)
            else:
                await database.execute(_KEEP, self._scope, self._key, self._attempt, self._sealed(answer))
        return answer

    async def _earlier(self, database: Database) -> Response:
        row = await database.fetchrow(
            "SELECT fingerprint, attempt, answer FROM idempotency_keys WHERE scope = $1 AND key = $2",
            self._scope,
            self._key,
        )
        if row is not None and row["fingerprint"] != self._fingerprint:
            raise IdempotencyKeyReused
        if row is None or row["answer"] is None:
            raise RequestInProgress(retry_after=1)
        kept = msgspec.json.decode(self._cipher(row["attempt"]).decrypt(_NONCE, row["answer"], None), type=Response)
        kept.headers = [*kept.headers, REPLAYED]
        return kept


async def purge_idempotency_keys(database: Database) -> None:
    """Drop the answers that have been kept long enough."""
    await purge(database, _DROP, FIRST_MOMENT)
