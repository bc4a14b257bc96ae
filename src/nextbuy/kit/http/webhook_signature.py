"""Webhook signatures in Stripe's format, signed and verified: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`.

`v1` is HMAC-SHA256 of `<t>.<body>` under a shared secret. There may be several `v1` and several secrets, so that a
secret can be rotated while webhooks are in flight; other schemes are ignored. A webhook whose signed time differs from
ours by more than `TOLERANCE` is refused, so that a recorded webhook cannot be replayed later.

Source: Stripe's documentation, "Verify webhook signatures manually" (docs.stripe.com/webhooks/signature).
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from nextbuy.contracts.errors import BadRequest

HEADER: Final = "stripe-signature"
TOLERANCE: Final = 300
"""Seconds by which the signed time may differ from ours."""
_MAX_LENGTH: Final = 2_048
_MAX_DIGITS: Final = 12


InvalidSignature: Final = BadRequest.of(
    "invalid-signature", "The signature of the webhook is missing, wrong or too old."
)


def sign(body: bytes, secrets: Sequence[str], *, at: int) -> str:
    """Return the header of a body that is sent at `at` (seconds since the epoch), with one `v1` for each secret."""
    signatures = [f"v1={_digest(secret, str(at), body).decode()}" for secret in secrets]
    return ",".join([f"t={at}", *signatures])


def verify(header: str | None, body: bytes, secrets: Sequence[str], *, now: float) -> None:
    """Check in constant time that a signature was made with one of the secrets; raise InvalidSignature if none was."""
    if not header or len(header) > _MAX_LENGTH:
        raise InvalidSignature("The Stripe-Signature header is missing or malformed.")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value.encode(errors="replace") for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdecimal() or len(times[0]) > _MAX_DIGITS:
        raise InvalidSignature("The Stripe-Signature header has no valid time.")
    valid = False
    for secret in secrets:
        expected = _digest(secret, times[0], body)
        for signature in signatures:
            valid |= hmac.compare_digest(expected, signature)
    if not valid:
        raise InvalidSignature("No signature matches the body. Check the webhook secret.")
    if abs(now - int(times[0])) > TOLERANCE:
        raise InvalidSignature(f"The signed time is more than {TOLERANCE} seconds off. Check the clocks.")


def _digest(secret: str, at: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
