"""`nextbuy create-admin EMAIL`: the only way to create an admin.

For an existing admin it sets a new password, ends all login sessions, forgets known clients and failed logins, and
removes a suspension: an operator who can run it controls the installation anyway.
"""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import MAX_PASSWORD, MIN_PASSWORD, EmailTaken, check_new_password, normal_name, require_email
from nextbuy.contracts.auth import Account, AccountRegistered, AccountReinstated
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.text import normal_secret
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.events.outbox import publish


async def create_admin(deps: Deps, email: str, password: str, name: str = "Admin") -> Account:
    """Create an admin, or set the password of an existing one.

    Raises:
        Unprocessable: the e-mail, password or name is invalid.
        Conflict: the e-mail belongs to a buyer or seller (`email-taken`).
    """
    email, password = require_email(email), normal_secret(password)
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Unprocessable(f"Choose a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters.", field="password")
    check_new_password(password, email=email)
    account = Account(id=new_id(), email=email, name=normal_name(name), role=Role.ADMIN, email_confirmed=True)
    password_hash = await deps.passwords.hash(password)
    now = deps.clock()
    async with deps.database.transaction() as tx:
        if await store.insert_account(tx, account, password_hash=password_hash, at=now):
            await publish(tx, AccountRegistered(account_id=account.id, role=Role.ADMIN))
            return account
        existing = await store.lock_account(tx, email)
        if existing is None or existing.account.role is not Role.ADMIN:
            raise EmailTaken("This e-mail address belongs to a buyer or seller. Use another one for an admin.")
        await store.set_password(tx, existing.account.id, new=password_hash)
        await store.confirm_email(tx, existing.account.id, at=now)
        await store.end_all_sessions(tx, existing.account.id, reason="password-changed", at=now)
        await store.purge_known_clients(tx, existing.account.id)
        if await store.set_status(tx, existing.account.id, "active") is not None:
            await publish(
                tx,
                AccountReinstated(
                    account_id=existing.account.id, reason="Reinstated by nextbuy create-admin.", by=existing.account.id
                ),
            )
    return existing.account
