"""DELETE /auth/api/sessions/{id}: end one of the caller's login sessions."""

from uuid import UUID

from msgspec import Struct

from nextbuy.auth import session_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import SessionNotFound
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


class EndSession(Struct, frozen=True):
    """The id of a login session of the caller."""

    id: UUID


async def end_session(deps: Deps, caller: Caller, request: EndSession) -> Nothing:
    """End a login session; its device has to sign in again.

    Raises:
        NotFound: it has ended, or belongs to another account (`login-session-not-found`).
    """
    account = await require_account(deps, caller)
    async with deps.database.transaction() as tx:
        if not await session_store.end_own_session(tx, request.id, account.id, at=deps.clock()):
            raise SessionNotFound
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
