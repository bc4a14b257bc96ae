"""Call GetAccounts: return accounts by id."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import Accounts, GetAccounts


async def get_accounts(deps: Deps, call: GetAccounts) -> Accounts:
    """Return the accounts that exist, in no particular order, and the ids of the others."""
    accounts = await store.accounts_by_id(deps.database, call.account_ids)
    return Accounts(accounts, sorted(set(call.account_ids) - {account.id for account in accounts}))
