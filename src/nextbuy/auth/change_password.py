"""POST /auth/api/change-password: set a new password with the current one; all other login sessions end."""

from msgspec import Struct

from nextbuy.auth import link_store, store
from nextbuy.auth import login_throttling as throttling
from nextbuy.auth.current_password import require_password
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import AccountChanged, GivenPassword, LinkPurpose, Password, check_new_password
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.auth import PasswordChanged
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller


class ChangePassword(Struct, frozen=True):
    """The current password, and the new one."""

    current_password: GivenPassword
    password: Password


async def change_password(deps: Deps, caller: Caller, request: ChangePassword) -> Nothing:
    """Set a new password, and end all login sessions of the account but this one.

    Raises:
        Forbidden: the current password is wrong (`wrong-password`).
        Conflict: the password was changed at the same time (`account-changed`).
        TooManyRequests: too many wrong passwords were sent (`too-many-attempts`), or too many logins are waiting.
    """
    account = await require_account(deps, caller)
    check_new_password(request.password, email=account.email)
    verified = await require_password(deps, account, request.current_password)
    if caller.identity is None:
        raise Unauthenticated
    password_hash, now = await deps.passwords.hash(request.password), deps.clock()
    async with deps.database.transaction() as tx:
        if not await store.set_password(tx, account.id, new=password_hash, old=verified.hash):
            raise AccountChanged(retry_after=1)
        await store.end_all_sessions(
            tx, account.id, reason="password-changed", at=now, except_id=caller.identity.session_id
        )
        await link_store.expire_links(tx, account.id, [LinkPurpose.RESET_PASSWORD], at=now)
        await throttling.clear_failures(deps, tx, verified.subjects)
        await publish(tx, PasswordChanged(account_id=account.id, how="changed"))
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
