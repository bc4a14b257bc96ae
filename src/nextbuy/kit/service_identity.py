"""Signatures of requests, with which the gateway and the services authenticate to each other.

The signature is an HMAC-SHA-256 (RFC 2104) of the method, the target, the headers that a service trusts, the hash of
the body and an expiry, under a key that only this caller and this callee share. An attacker who records a request can
repeat it for `_LIFETIME` seconds, but cannot change it or send it to another service.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

from nextbuy.contracts.errors import Unauthenticated

GATEWAY: Final = "gateway"
"""The name under which the gateway signs."""
WEB: Final = "web"
"""The name under which the pages sign, if they run in a process of their own."""
_LIFETIME: Final = 60.0
"""Seconds for which a signature is valid: longer than two clocks differ."""


_SIGNED_HEADERS: Final = ("x-nextbuy-client", "x-nextbuy-origin", "authorization", "cookie", "idempotency-key")
"""The headers with the identity of a client, and the key that marks a repeated request."""
_NO_HEADERS: Final[Mapping[str, str]] = {}


ServiceIdentityRequired: Final = Unauthenticated.of(
    "service-identity-required", "A service answers only the gateway and other services. Use the public API."
)


class ServiceIdentity:
    """Signs the requests of one service, and verifies those that it receives."""

    def __init__(self, secret: bytes, service: str) -> None:
        self._secret = secret
        self.service = service
        self._keys: dict[str, bytes] = {}
        """The keys for requests to each callee."""
        self._callers: dict[str, bytes] = {}
        """The keys for requests from each caller that has signed one."""

    def own_secret(self, purpose: str) -> bytes:
        """Return a secret that only this service has, for one purpose."""
        return hmac.digest(self._secret, f"own:{self.service}:{purpose}".encode(), hashlib.sha256)

    def sign(self, callee: str, method: str, target: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> str:
        """Return the header that signs a request to `callee`; `target` is the path with the query."""
        key = self._keys.get(callee)
        if key is None:
            key = self._keys[callee] = self._key(self.service, callee)
        expires = int(time.time() + _LIFETIME)
        return f"{self.service}.{expires}.{_signature(key, method, target, body, headers, expires)}"

    def verify(
        self, value: str | None, method: str, target: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS
    ) -> str:
        """Return the service that signed a request to this one.

        Raises:
            ServiceIdentityRequired: the signature is missing, wrong or expired.
        """
        caller, _, rest = (value or "").partition(".")
        expiry, _, signature = rest.partition(".")
        if not (expiry.isascii() and expiry.isdecimal() and len(expiry) < 12):  # noqa: PLR2004
            raise ServiceIdentityRequired
        expires, now = int(expiry), time.time()
        key = self._callers.get(caller) or self._key(caller, self.service)
        expected = _signature(key, method, target, body, headers, expires)
        if not hmac.compare_digest(expected.encode(), _bytes(signature)) or not now < expires <= now + 2 * _LIFETIME:
            raise ServiceIdentityRequired
        self._callers[caller] = key
        return caller

    def _key(self, caller: str, callee: str) -> bytes:
        return hmac.digest(self._secret, _bytes(f"call:{caller}>{callee}"), hashlib.sha256)


def _signature(key: bytes, method: str, target: str, body: bytes, headers: Mapping[str, str], expires: int) -> str:
    get = headers.get
    signed = "\n".join([get(name, "") for name in _SIGNED_HEADERS])
    message = _bytes(f"{method} {target}\n{signed}\n{expires}\n") + hashlib.sha256(body).digest()
    return hmac.digest(key, message, "sha256").hex()


def _bytes(text: str) -> bytes:
    """Return the bytes of a header, which may contain lone surrogates."""
    return text.encode(errors="surrogatepass")
