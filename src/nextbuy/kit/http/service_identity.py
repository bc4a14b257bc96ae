"""Signed identities, by which services authenticate to each other.

An identity is an HMAC of caller and expiry, under a key that only this caller and this callee share.
"""

import hashlib
import hmac
import time
from typing import Final

from nextbuy.contracts.errors import Unauthenticated

_LIFETIME: Final = 60.0
"""Seconds for which a signed identity is valid."""
_CACHE_SIZE: Final = 64
"""Each caller signs two identities a minute, so a full cache holds mostly expired ones."""


ServiceIdentityRequired: Final = Unauthenticated.of(
    "service-identity-required", "Only services of the marketplace may make internal calls. Use the public API."
)


class ServiceIdentity:
    """Signs the identity of one service for its callees, and verifies that of its callers."""

    def __init__(self, secret: bytes, service: str) -> None:
        self._secret = secret
        self.service = service
        self._signed: dict[str, tuple[float, str]] = {}
        self._verified: dict[str, tuple[float, str]] = {}

    def own_secret(self, purpose: str) -> bytes:
        """Return a secret that only this service has, for one purpose."""
        return hmac.digest(self._secret, f"own:{self.service}:{purpose}".encode(), hashlib.sha256)

    def sign(self, callee: str) -> str:
        """Return the identity as a header for `callee`; it is reused for half its lifetime."""
        signed = self._signed.get(callee)
        now = time.time()
        if signed is not None and signed[0] - now > _LIFETIME / 2:
            return signed[1]
        expires = int(now + _LIFETIME)
        payload = f"{self.service}.{expires}"
        signature = hmac.new(self._key(self.service, callee), payload.encode(), hashlib.sha256).hexdigest()
        value = f"{payload}.{signature}"
        self._signed[callee] = (expires, value)
        return value

    def read(self, value: str | None) -> str:
        """Return the service that signed `value` for this one; raise ServiceIdentityRequired if none did."""
        now = time.time()
        verified = self._verified.get(value or "")
        if verified is not None and verified[0] > now:
            return verified[1]
        caller, _, rest = (value or "").partition(".")
        expires, _, signature = rest.partition(".")
        expected = hmac.new(self._key(caller, self.service), _bytes(f"{caller}.{expires}"), hashlib.sha256).hexdigest()
        in_time = expires.isdecimal() and len(expires) < 12 and now < int(expires) <= now + 2 * _LIFETIME  # noqa: PLR2004
        if not hmac.compare_digest(_bytes(expected), _bytes(signature)) or not in_time:
            raise ServiceIdentityRequired
        if len(self._verified) > _CACHE_SIZE:
            self._verified.clear()
        self._verified[value or ""] = (float(expires), caller)
        return caller

    def _key(self, caller: str, callee: str) -> bytes:
        return hmac.digest(self._secret, _bytes(f"call:{caller}>{callee}"), hashlib.sha256)


def _bytes(text: str) -> bytes:
    """Return the bytes of a header, which may contain lone surrogates."""
    return text.encode(errors="surrogatepass")
