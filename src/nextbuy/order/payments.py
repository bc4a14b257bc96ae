"""The interface to a payment provider, and its implementation with the payment simulator.

The two operations exist in Stripe as checkout sessions and refunds. A provider reports everything else by webhook.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from nextbuy.contracts.message import Send
from nextbuy.contracts.simulator import OpenPayment, PaymentOpened, RefundPayment
from nextbuy.contracts.values import Money


class Payments(Protocol):
    """A payment provider. Each operation is idempotent: a repetition returns the first result."""

    async def open(self, session_id: UUID, amount: Money, description: str, expires_at: datetime) -> PaymentOpened:
        """Open a payment page, once per session."""
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
        """Open a payment page in the simulator."""
        return await self._send(
            OpenPayment(
                reference=session_id,
                amount=amount,
                description=description,
                expires_at=expires_at,
                return_url=f"{self._public_url}/session/{session_id}",
            )
        )

    async def refund(self, payment_id: str, reason: str) -> str:
        """Refund a payment in the simulator."""
        return (await self._send(RefundPayment(payment_id=payment_id, reason=reason))).refund_id
