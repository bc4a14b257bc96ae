"""Signed identities with which services authenticate to each other.

An identity is an HMAC over caller, callee and expiry, under a key that only this pair of services shares.
"""

import hashlib
import hmac
import time
from typing import Final

from nextbuy.contracts.errors import Unauthenticated

_IDENTITY_LIFE: Final = 60.0
"""Seconds for which a service's identity is good."""


ServiceIdentityRequired: Final = Unauthenticated.of(
    "service-identity-required", "Only services of the marketplace may make calls."
)


def _bytes(text: str) -> bytes:
    """Return the bytes of what came from outside: any text has some, lone surrogates too."""
    return text.encode(errors="surrogatepass")


class ServiceIdentity:
    """Says which service we are, to each callee; and reads who calls us."""

    def __init__(self, secret: bytes, service: str) -> None:
        """Be `service`; keys are derived from the installation's secret, one for each pair of services."""
        self._secret = secret
        self.service = service
        self._signed: dict[str, tuple[float, str]] = {}
        self._read: dict[str, tuple[float, str]] = {}

    def _key(self, caller: str, callee: str) -> bytes:
        return hmac.digest(self._secret, _bytes(f"call:{caller}>{callee}"), hashlib.sha256)

    def own_secret(self, purpose: str) -> bytes:
        """Return a secret of this service alone, for a purpose."""
        return hmac.digest(self._secret, f"own:{self.service}:{purpose}".encode(), hashlib.sha256)

    def sign(self, callee: str) -> str:
        """Return the header value that tells `callee` who we are; good for a minute, and made anew after half of it."""
        kept = self._signed.get(callee)
        now = time.time()
        if kept is not None and kept[0] - now > _IDENTITY_LIFE / 2:
            return kept[1]
        expires = int(now + _IDENTITY_LIFE)
        said = f"{self.service}.{expires}"
        proof = hmac.new(self._key(self.service, callee), said.encode(), hashlib.sha256).hexdigest()
        value = f"{said}.{proof}"
        self._signed[callee] = (expires, value)
        return value

    def read(self, value: str | None) -> str:
        """Return the name of the service that signed `value` for us.

        Raises:
            Unauthenticated: nobody did, or it has expired.
        """
        now = time.time()
        known = self._read.get(value or "")
        if known is not None and known[0] > now:
            return known[1]
        caller, _, rest = (value or "").partition(".")
        expires, _, proof = rest.partition(".")
        right = hmac.new(self._key(caller, self.service), _bytes(f"{caller}.{expires}"), hashlib.sha256).hexdigest()
        timely = expires.isdecimal() and len(expires) < 12 and now < int(expires) <= now + 2 * _IDENTITY_LIFE  # noqa: PLR2004
        if not hmac.compare_digest(_bytes(right), _bytes(proof)) or not timely:
            raise ServiceIdentityRequired
        if len(self._read) > 64:  # noqa: PLR2004  identities change twice a minute; old ones need not stay
            self._read.clear()
        self._read[value or ""] = (float(expires), caller)
        return caller
