"""Password hashing with argon2id and OWASP's parameters (19 MiB, two passes, one lane), in threads.

Threads and waiting requests are limited: no other public request costs as much CPU.
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
_MAX_WAITING: Final = 64


def _salted(salt: bytes, digest: bytes) -> str:
    parts = (b64encode(part).rstrip(b"=").decode() for part in (salt, digest))
    return f"$argon2id$v=19$m={_MEMORY},t={_PASSES},p={_LANES}${'$'.join(parts)}"


DUMMY_HASH: Final = _salted(b"no account salt.", bytes(32))
"""Verified if no account has the e-mail address, so that the login fails after as long as with a wrong password."""


class Passwords:
    """A limited number of threads that hash and verify passwords."""

    def __init__(self, *, max_waiting: int = _MAX_WAITING) -> None:
        """Accept up to `max_waiting` requests beside the running ones; refuse more with TooManyRequests."""
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY, parallelism=_LANES)
        self._threads = ThreadPoolExecutor(_THREADS, "passwords")
        self._limit = max_waiting + _THREADS
        self._active = 0

    async def hash(self, password: str) -> str:
        """Return the hash of a password."""
        return await self._in_thread(lambda: self._hasher.hash(_encode(password)))

    async def verify(self, stored: str, password: str) -> bool:
        """Return whether a password matches a stored hash."""

        def verify() -> bool:
            try:
                return self._hasher.verify(stored, _encode(password))
            except (VerifyMismatchError, VerificationError, InvalidHashError):
                return False

        return await self._in_thread(verify)

    def needs_rehash(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Stop the threads; waiting requests are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._active >= self._limit:
            raise LoginBusy(retry_after=1)
        self._active += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._active -= 1


def _encode(password: str) -> bytes:
    """Return the bytes of a password, the same for every keyboard and system (normalised as in RFC 8265)."""
    return normalize("NFKC", password).encode(errors="surrogatepass")
