"""`nextbuy create-admin EMAIL`: the only way to become an admin.

Doing it again gives the admin the new password, ends the sessions that the old one opened, and takes back a suspension
or a lock: whoever may run this owns the installation.
"""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.lockout import account_subject
from nextbuy.auth.model import MAX_PASSWORD, MIN_PASSWORD, EmailTaken, check_new_password, normal_email, normal_name
from nextbuy.contracts.auth import Account, AccountRegistered, AccountReinstated
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.events.outbox import publish


async def create_admin(deps: Deps, email: str, password: str, name: str = "Admin") -> Account:
    """Make an admin, or give one that there is a new password.

    Raises:
        Unprocessable: the e-mail, the password or the name will not do.
        Conflict: the e-mail is a buyer's or a seller's.
    """
    email = normal_email(email)
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Unprocessable(f"Choose a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters.", field="password")
    check_new_password(password, email=email)
    account = Account(id=new_id(), email=email, name=normal_name(name), role=Role.ADMIN)
    password_hash = await deps.passwords.hash(password)
    now = deps.clock()
    async with deps.database.transaction() as tx:
        if await store.add_account(tx, account, password_hash=password_hash, at=now):
            await publish(tx, AccountRegistered(account_id=account.id, email=email, name=account.name, role=Role.ADMIN))
            return account
        known = await store.lock_account(tx, email)
        if known is None or known.account.role is not Role.ADMIN:
            raise EmailTaken("This e-mail belongs to a buyer or seller. Use another e-mail for an admin.")
        await store.set_password(tx, known.account.id, new=password_hash)
        await store.end_all_sessions(tx, known.account.id, reason="password-changed", at=now)
        await store.forget_failures(tx, account_subject(deps, email))
        if await store.set_status(tx, known.account.id, "active") is not None:
            await publish(
                tx,
                AccountReinstated(
                    account_id=known.account.id, reason="create-admin was run again", by=known.account.id
                ),
            )
    return known.account
