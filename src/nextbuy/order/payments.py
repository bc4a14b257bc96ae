"""What the shop needs of a payment provider, and the provider that it has: the simulator.

The two acts are those of Stripe's checkout sessions and refunds; each may be asked for again and is then done once. All
else a provider says by webhook.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from nextbuy.contracts.message import Send
from nextbuy.contracts.simulator import OpenPayment, PaymentOpened, RefundPayment
from nextbuy.contracts.values import Money


class Payments(Protocol):
    """A payment provider."""

    async def open(self, session_id: UUID, amount: Money, description: str, expires_at: datetime) -> PaymentOpened:
        """Make a page on which a person can pay; once per session."""
        ...

    async def refund(self, payment_id: str, reason: str) -> str:
        """Give a payment back, whole, once; return the refund's id."""
        ...


class SimulatorPayments:
    """The payment simulator as a provider."""

    def __init__(self, send: Send, public_url: str) -> None:
        """Speak through `send`; who has paid is led back to the shop's pages at `public_url`."""
        self._send = send
        self._public_url = public_url

    async def open(self, session_id: UUID, amount: Money, description: str, expires_at: datetime) -> PaymentOpened:
        """Make a payment page in the simulator."""
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
        """Give the simulator's money back."""
        return (await self._send(RefundPayment(payment_id=payment_id, reason=reason))).refund_id
