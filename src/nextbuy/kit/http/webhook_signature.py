"""Stripe's webhook signature scheme, both ends: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`.

`v1` is HMAC-SHA256, under a secret that both sides share, of the text `<t>.<body>`. There may be several `v1` and
several secrets, so that a secret can be changed while webhooks are on their way; schemes other than `v1` are passed
over. The time is signed with the body, and a webhook whose time is more than five minutes from ours is refused, so that
a recorded one cannot be played again later.

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
_LONGEST: Final = 2_048
_MOST_DIGITS: Final = 12


InvalidSignature: Final = BadRequest.of(
    "invalid-signature", "The signature of the webhook is missing, wrong or too old."
)


def _digest(secret: str, at: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest().encode()


def sign(body: bytes, secrets: Sequence[str], *, at: int) -> str:
    """Return the header for a body sent at `at` (seconds since the epoch): one `v1` for each secret."""
    proofs = [f"v1={_digest(secret, str(at), body).decode()}" for secret in secrets]
    return ",".join([f"t={at}", *proofs])


def verify(header: str | None, body: bytes, secrets: Sequence[str], *, now: float) -> None:
    """Believe a body, or raise; every secret is tried with every signature, in a time that tells nothing.

    Raises:
        BadRequest: no signature is right, or the time is too far from `now` (`invalid-signature`).
    """
    if not header or len(header) > _LONGEST:
        raise _refusal("The Stripe-Signature header is missing or no good.")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    proofs = [value.encode(errors="replace") for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdecimal() or len(times[0]) > _MOST_DIGITS:
        raise _refusal("The Stripe-Signature header tells no time.")
    good = False
    for secret in secrets:
        expected = _digest(secret, times[0], body)
        for proof in proofs:
            good |= hmac.compare_digest(expected, proof)
    if not good:
        raise _refusal("No signature is right for this body.")
    if abs(now - int(times[0])) > TOLERANCE:
        raise _refusal(f"The signature is right, but its time is more than {TOLERANCE} seconds from ours.")


def _refusal(why: str) -> BadRequest:
    return InvalidSignature(why)
