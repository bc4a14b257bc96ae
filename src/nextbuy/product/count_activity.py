"""CountActivity: how often products were seen and sold, for their pages and for the order of what is found."""

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.product import CountActivity
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.inbox import unseen
from nextbuy.product.deps import Deps
from nextbuy.product.store.activity import count

_MOST_LINES = 2_000


async def count_activity(deps: Deps, call: CountActivity) -> Nothing:
    """Add to the counters, each event once, in the transaction that marks the events as seen."""
    if len(call.lines) > _MOST_LINES:
        raise Unprocessable(f"At most {_MOST_LINES} lines are counted at once.", slug="too-many-lines")
    async with deps.database.transaction() as tx:
        new = await unseen(tx, "count_activity", (line.event_id for line in call.lines))
        await count(tx, [line for line in call.lines if line.event_id in new])
    return Nothing()
