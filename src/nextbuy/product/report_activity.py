"""POST /product/api/report-activity: count views and basket additions that a page reports.

The counts stay in memory until `flush_activity` publishes them, so nothing is written during the request and a crash
may lose the last second of views.
"""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.values import Nothing
from nextbuy.kit.clock import utc_now
from nextbuy.kit.http.caller import Caller
from nextbuy.product.activity_buffer import Action, count_actions
from nextbuy.product.deps import Deps


class ReportedAction(Struct, frozen=True):
    """One view or basket addition of a product."""

    product_id: UUID
    action: Action


class ReportActivity(Struct, frozen=True):
    """The views and basket additions of a visitor."""

    items: Annotated[list[ReportedAction], Meta(min_length=1, max_length=50)]


async def report_activity(deps: Deps, _caller: Caller, request: ReportActivity) -> Nothing:
    """Count views and basket additions; products that are not for sale are ignored."""
    deps.activity.add(count_actions(((item.product_id, item.action) for item in request.items), utc_now()))
    return Nothing()
