"""GET /kafka/api/dead-letters/{id}: one dead letter, whole."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import OfDeadLetter
from nextbuy.kit import dead_letters as letters
from nextbuy.kit.dead_letters import DeadLetter
from nextbuy.kit.web import Caller


async def dead_letter(kafka: Deps, caller: Caller, ask: OfDeadLetter) -> DeadLetter:
    """Return a dead letter; `NotFound` where there is none of this id."""
    await kafka.auth.validate_admin(caller.token)
    return await letters.whole(kafka.database, ask.id)
