"""GET /admin/api/count-by-status: the numbers of orders and payments by status."""

from msgspec import Struct

from nextbuy.admin.deps import Deps
from nextbuy.admin.search_index import ORDER_STATUSES, PAYMENT_STATUSES
from nextbuy.admin.search_store import StatusCount, count_entries
from nextbuy.kit.http.caller import Caller


class CountsByStatus(Struct, frozen=True):
    """The numbers of orders and of payments by status."""

    orders: list[StatusCount]
    payments: list[StatusCount]


async def count_by_status(deps: Deps, caller: Caller) -> CountsByStatus:
    """Count the orders and the payments with each status, at most 1,000 each."""
    await deps.auth.validate_admin(caller)
    return CountsByStatus(
        await count_entries(deps.database, "order", ORDER_STATUSES),
        await count_entries(deps.database, "payment", PAYMENT_STATUSES),
    )
