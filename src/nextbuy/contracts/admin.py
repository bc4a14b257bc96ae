"""The calls that admin answers."""

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Call, Client


class NotificationCreated(Struct, frozen=True):
    """The id of the notification for an event and kind, stored now or by an earlier call."""

    notification_id: UUID


class CreateNotification(
    Call[NotificationCreated], to="admin", name="create-notification", callers=("kafka",), idempotent=True
):
    """Store a notification for the admins, once per event and kind.

    `link` is the path of an API endpoint for admins (not of a page, unlike in the notifications of accounts), or empty.
    """

    source_event_id: UUID
    kind: str
    title: str
    message: str
    link: str


class AdminClient(Client):
    """A client of admin."""

    service: ClassVar[str] = "admin"

    async def create_notification(self, notification: CreateNotification) -> NotificationCreated:
        """Store a notification for the admins."""
        return await self._send(notification)
