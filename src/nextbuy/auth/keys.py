"""The signing keys of access tokens, stored encrypted in the database and shared by all processes of auth.

Keys rotate without a restart: a process reloads the signing key every minute, and the public keys when a token names
an unknown one.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from joserfc.jwk import ECKey

from nextbuy.auth import key_store
from nextbuy.auth.model import ACCESS_LIFE
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.http.tokens import Identity, TokenVerifier, sign_token
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction

log: Final = logging.getLogger(__name__)

_RELOAD_INTERVAL: Final = 60.0
"""Seconds between reads of the signing key."""
_RETIREMENT_DELAY: Final = timedelta(minutes=2)
"""Longer than `_RELOAD_INTERVAL`: until then other processes may sign with a replaced key."""
_CLOCK_SKEW: Final = timedelta(minutes=5)
"""A retired key verifies for this long after its last token has expired."""
_ADVISORY_LOCK: Final = 7302

Signer = Callable[[Account, UUID], str]
"""Returns an access token for an account and a login session."""


class Keys:
    """The signing keys of one process, reloaded from the database."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._passphrase = settings.derive("signing-keys")
        self._clock = clock
        self._signing: tuple[str, ECKey] | None = None
        self._loaded_at = 0.0
        self.verifier = TokenVerifier(self.public)

    async def start(self) -> None:
        """Create a key if the installation's secret decrypts none; safe in several processes at once."""
        async with self._database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            if self._first_usable(await self._rows(tx)) is None:
                await self._create(tx)
        await self._reload()

    async def rotate(self) -> None:
        """Create a new key that signs from now on; retire the others when every process has loaded it."""
        async with self._database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            await key_store.retire_signing_keys(tx, at=self._clock() + _RETIREMENT_DELAY)
            await self._create(tx)

    async def public(self) -> dict[str, str]:
        """Return the public keys of all valid tokens, as PEM by key id."""
        return {row["kid"]: row["public_pem"] for row in await self._rows(self._database)}

    async def signer(self) -> Signer:
        """Return a function that signs access tokens for `ACCESS_LIFE`; call it before a transaction begins."""
        if self._signing is None or time.monotonic() - self._loaded_at > _RELOAD_INTERVAL:
            await self._reload()
        if self._signing is None:
            message = "no signing key can be decrypted; restart auth to create one"
            raise RuntimeError(message)
        kid, key = self._signing
        expires = (self._clock() + ACCESS_LIFE).timestamp()
        return lambda account, session_id: sign_token(
            Identity(account.id, account.role, session_id, expires), kid=kid, key=key
        )

    async def _rows(self, db: Executor) -> list[Row]:
        return await key_store.signing_keys(db, at=self._clock(), life=ACCESS_LIFE + _CLOCK_SKEW)

    async def _reload(self) -> None:
        self._signing = self._first_usable(await self._rows(self._database)) or self._signing
        self._loaded_at = time.monotonic()

    def _first_usable(self, rows: list[Row]) -> tuple[str, ECKey] | None:
        for row in rows:
            if row["is_retired"]:
                continue
            if self._signing is not None and self._signing[0] == row["kid"]:
                return self._signing
            try:
                return row["kid"], ECKey.import_key(row["private_pem"], password=self._passphrase)
            except ValueError:
                log.warning("signing key ignored: encrypted with another NEXTBUY_SECRET", extra={"kid": row["kid"]})
        return None

    async def _create(self, tx: Transaction) -> None:
        key = ECKey.generate_key("P-256")
        private, public = key.as_pem(private=True, password=self._passphrase), key.as_pem(private=False)
        await key_store.insert_signing_key(
            tx, str(new_id()), private_pem=private.decode(), public_pem=public.decode(), at=self._clock()
        )
