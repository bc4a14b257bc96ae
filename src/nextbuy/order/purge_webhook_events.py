"""A job: webhook events that the provider can no longer repeat are deleted.

A provider repeats an event for days, and a person can resend one for 30. A later duplicate is refused by the state of
its session.
"""

from nextbuy.order.deps import Deps
from nextbuy.order.store import sessions


async def purge_webhook_events(deps: Deps) -> None:
    """Delete the webhook events that are old enough."""
    await sessions.purge_webhook_events(deps.database)
