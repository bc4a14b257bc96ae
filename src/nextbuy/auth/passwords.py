"""Hashes passwords with argon2id, with OWASP's parameters (19 MiB, two passes, one lane), off the event loop.

Two at a time, and a bounded number of waiting ones: hashing is the dearest thing that a stranger can make us do.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from nextbuy.auth.model import LoginBusy

Result = TypeVar("Result")

_MEMORY, _PASSES, _LANES = 19 * 1024, 2, 1
_THREADS: Final = 2
_MOST_WAITING: Final = 64


def _salted(salt: bytes, digest: bytes) -> str:
    parts = (b64encode(part).rstrip(b"=").decode() for part in (salt, digest))
    return f"$argon2id$v=19$m={_MEMORY},t={_PASSES},p={_LANES}${'$'.join(parts)}"


NOBODYS: Final = _salted(b"nobody's salt...", bytes(32))
"""What stands for the hash of an account that is not there: verifying takes as long as any, and fails."""


class Passwords:
    """Hashes and verifies, a bounded number at once."""

    def __init__(self, *, most_waiting: int = _MOST_WAITING) -> None:
        """Take on `most_waiting` at once beside those being worked on."""
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY, parallelism=_LANES)
        self._threads = ThreadPoolExecutor(_THREADS, "passwords")
        self._most = most_waiting + _THREADS
        self._taken = 0

    async def hash(self, password: str) -> str:
        """Return what may be stored of a password.

        Raises:
            TooMany: too many are waiting.
        """
        return await self._aside(lambda: self._hasher.hash(_spelt(password)))

    async def verify(self, stored: str, password: str) -> bool:
        """Is it the password that was hashed?

        Raises:
            TooMany: too many are waiting.
        """

        def verify() -> bool:
            try:
                return self._hasher.verify(stored, _spelt(password))
            except (VerifyMismatchError, VerificationError, InvalidHashError):
                return False

        return await self._aside(verify)

    def is_outdated(self, stored: str) -> bool:
        """Was it hashed with other parameters than today's?"""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Take on nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _aside(self, work: Callable[[], Result]) -> Result:
        if self._taken >= self._most:
            raise LoginBusy(retry_after=1)
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._taken -= 1


def _spelt(password: str) -> bytes:
    """Return the one spelling of a password, whatever keyboard wrote it (RFC 8265 asks for as much)."""
    return normalize("NFKC", password).encode(errors="surrogatepass")
