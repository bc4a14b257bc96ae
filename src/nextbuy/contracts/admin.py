"""What others may ask of admin."""

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Call, Client


class NotificationKept(Struct, frozen=True):
    """The notification that stands for an event, made now or earlier."""

    notification_id: UUID


class CreateNotification(Call[NotificationKept], to="admin", callers=("kafka",), idempotent=True):
    """Tell the admins of something; once per event and kind, however often it is asked."""

    source_event_id: UUID
    kind: str
    title: str
    message: str
    link: str


class AdminClient(Client):
    """Speaks to admin."""

    service: ClassVar[str] = "admin"

    async def create_notification(self, note: CreateNotification) -> NotificationKept:
        """Keep a notification for the admins."""
        return await self._send(note)
