"""The keys that access tokens are signed with: kept in the database, encrypted, the same for every copy of auth.

They rotate by data alone, while everything runs: what signs is looked up once a minute, what verifies whenever a token
names a key that is not known yet.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from joserfc.jwk import ECKey

from nextbuy.auth import store
from nextbuy.auth.model import ACCESS_LIFE
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.http.tokens import Identity, TokenVerifier, sign_token
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction

log: Final = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 60.0
"""Seconds after which it is looked up which key signs."""
_KNOWN_BY: Final = timedelta(minutes=2)
_SPARE: Final = timedelta(minutes=5)
"""A retired key verifies for this much longer than a token lives: clocks differ."""
_LOCK: Final = 7302

Signer = Callable[[Account, UUID], str]
"""Returns an access token for an account and one of its sessions."""


class Keys:
    """Signs access tokens, and verifies them."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        """Use the keys in `database`."""
        self._database = database
        self._passphrase = settings.derive("signing-keys")
        self._clock = clock
        self._signing: tuple[str, ECKey] | None = None
        self._looked_at = 0.0
        self.verifier = TokenVerifier(self.public)

    async def open(self) -> None:
        """Make a key where there is none that our secret opens; any number of copies may do so at once."""
        async with self._database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if self._first_good(await self._rows(tx)) is None:
                await self._make(tx)
        await self._look()

    async def rotate(self) -> None:
        """Make a new key, which signs from now on, and retire the others once every copy of auth knows of it."""
        async with self._database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await store.retire_signing_keys(tx, at=self._clock() + _KNOWN_BY)
            await self._make(tx)

    async def public(self) -> dict[str, str]:
        """Return the public keys that verify a token now, PEM by key id."""
        return {row["kid"]: row["public_pem"] for row in await self._rows(self._database)}

    async def signer(self) -> Signer:
        """Return what signs access tokens that are good for `ACCESS_LIFE`; ask for it before a transaction opens."""
        if self._signing is None or time.monotonic() - self._looked_at > _LOOK_AGAIN:
            await self._look()
        if self._signing is None:
            message = "there is no signing key that can be opened; restart auth to make one"
            raise RuntimeError(message)
        kid, key = self._signing
        expires = (self._clock() + ACCESS_LIFE).timestamp()
        return lambda account, session_id: sign_token(
            Identity(account.id, account.role, session_id, expires), kid=kid, key=key
        )

    async def _rows(self, reader: Executor) -> list[Row]:
        return await store.signing_keys(reader, at=self._clock(), life=ACCESS_LIFE + _SPARE)

    async def _look(self) -> None:
        self._signing = self._first_good(await self._rows(self._database)) or self._signing
        self._looked_at = time.monotonic()

    def _first_good(self, rows: list[Row]) -> tuple[str, ECKey] | None:
        for row in rows:
            if row["is_retired"]:
                continue
            if self._signing is not None and self._signing[0] == row["kid"]:
                return self._signing
            try:
                return row["kid"], ECKey.import_key(row["private_pem"], password=self._passphrase)
            except ValueError:
                log.warning("signing key %s was made under another NEXTBUY_SECRET, and is passed over", row["kid"])
        return None

    async def _make(self, tx: Transaction) -> None:
        key = ECKey.generate_key("P-256")
        private, public = key.as_pem(private=True, password=self._passphrase), key.as_pem(private=False)
        await store.add_signing_key(
            tx, str(new_id()), private_pem=private.decode(), public_pem=public.decode(), at=self._clock()
        )
