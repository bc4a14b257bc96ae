"""POST /kafka/api/stuck/{id}/give-up: always refused, because events wait until their destination accepts them."""

from typing import Final

from nextbuy.contracts.errors import Conflict
from nextbuy.kafka.delivery.outages import STUCK
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import GiveUp, Stuck

DestinationNotGivenUp: Final = Conflict.of(
    "destination-not-given-up",
    "Delivery to a service cannot be given up; its events wait until it accepts them. Repair the service, or discard "
    "single events once they are dead letters.",
)


async def give_up_stuck(deps: Deps, caller: Caller, request: GiveUp) -> Stuck:
    """Refuse to stop delivery to a service.

    Raises:
        NotFound: the service accepts events, or does not exist (`stuck-not-found`).
        Conflict: the service accepts no events (`destination-not-given-up`).
    """
    await deps.auth.validate_admin(caller)
    await STUCK.get(deps.database, request.id)
    raise DestinationNotGivenUp
