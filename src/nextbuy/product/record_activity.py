"""Call RecordActivity: add views and sales to the counters of products, each event once."""

from typing import Final

from nextbuy.contracts.product import RecordActivity
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.inbox import record_new
from nextbuy.product.deps import Deps
from nextbuy.product.model import TooManyLines
from nextbuy.product.store.activity import add_activity

_MAX_LINES: Final = 2_000


async def record_activity(deps: Deps, call: RecordActivity) -> Nothing:
    """Add the events that have no inbox row yet, and insert their inbox rows in the same transaction."""
    if len(call.lines) > _MAX_LINES:
        raise TooManyLines(f"Too many lines. Send at most {_MAX_LINES} at once.")
    async with deps.database.transaction() as tx:
        new = await record_new(tx, "record-activity", (line.event_id for line in call.lines))
        await add_activity(tx, [line for line in call.lines if line.event_id in new])
    return Nothing()
