"""The interface to a payment provider, and its implementation with the payment simulator.

The operations exist in Stripe as checkout sessions and refunds. A provider reports everything else by webhook.
"""

from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from nextbuy.contracts.checks import require, require_equal
from nextbuy.contracts.message import Send
from nextbuy.contracts.simulator import ClosePayment, OpenPayment, PaymentClosed, PaymentOpened, Refund, RefundPayment
from nextbuy.contracts.values import Money


class Payments(Protocol):
    """A payment provider. Each operation is idempotent: a repetition returns the first result."""

    async def open(self, session_id: UUID, amount: Money, description: str, expires_at: datetime) -> PaymentOpened:
        """Open a payment page, once per session."""
        ...

    async def close(self, payment_id: str) -> bool:
        """Close the page of a payment, so that it cannot be paid any longer; return whether it was paid before."""
        ...

    async def refund(self, payment_id: str, reason: str) -> str:
        """Refund a payment in full, once, and return the refund's id."""
        ...


class SimulatorPayments:
    """The payment simulator as a provider."""

    def __init__(self, send: Send, public_url: str) -> None:
        """Call the simulator through `send`; its pages link back to the marketplace at `public_url`."""
        self._send = send
        self._public_url = public_url

    async def open(self, session_id: UUID, amount: Money, description: str, expires_at: datetime) -> PaymentOpened:
        """Open a payment page in the simulator, whose pages are on the marketplace's own origin."""

        def check(opened: PaymentOpened) -> None:
            require(_origin(opened.url) == _origin(self._public_url), "url", opened.url)
            require_equal("reference", opened.reference, session_id)

        return await self._send(
            OpenPayment(
                reference=session_id,
                amount=amount,
                description=description,
                expires_at=expires_at,
                return_url=f"{self._public_url}/session/{session_id}",
            ),
            check,
        )

    async def close(self, payment_id: str) -> bool:
        """Close a payment page in the simulator."""

        def check(closed: PaymentClosed) -> None:
            require_equal("payment_id", closed.payment_id, payment_id)

        return (await self._send(ClosePayment(payment_id=payment_id), check)).paid

    async def refund(self, payment_id: str, reason: str) -> str:
        """Refund a payment in the simulator."""

        def check(refund: Refund) -> None:
            require_equal("payment_id", refund.payment_id, payment_id)

        return (await self._send(RefundPayment(payment_id=payment_id, reason=reason), check)).refund_id


def _origin(url: str) -> tuple[str, str] | None:
    """Return the scheme and the host with its port, or None if a browser may read the URL differently."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (parts.scheme, parts.netloc.lower()) if parts.scheme in {"http", "https"} else None
