"""Call FindAccounts: find accounts for operators, by id or by the beginning of an e-mail address or a name."""

from typing import Final

from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import MAX_FOUND, FindAccounts, FoundAccount, FoundAccounts
from nextbuy.contracts.values import Role, parse_uuid

_NAME: Final = 'lower(name COLLATE pg_c_utf8) COLLATE "C"'
_LAST_WORD: Final = r"""lower(substring(name from '\S+$') COLLATE pg_c_utf8) COLLATE "C" """
_EMAIL: Final = 'email COLLATE "C"'


def _beginning_with(column: str) -> str:
    """Return the ids of the first accounts whose column begins with $2, read from its index."""
    prefix = 'lower($2::text COLLATE pg_c_utf8) COLLATE "C"'
    matches = f"{column} >= {prefix} AND {column} < {prefix} || chr(1114111)"
    return f"(SELECT id FROM accounts WHERE {matches} ORDER BY {column} LIMIT $3)"  # noqa: S608  constants, as below


_FIND: Final = f"""
    SELECT id, email, name, role, email_confirmed_at IS NOT NULL AS email_confirmed, status = 'suspended' AS suspended
      FROM accounts
     WHERE id IN (SELECT $1::uuid UNION {" UNION ".join(map(_beginning_with, (_EMAIL, _NAME, _LAST_WORD)))})
     ORDER BY email <> lower($2), email LIMIT $3
"""  # noqa: S608


async def find_accounts(deps: Deps, call: FindAccounts) -> FoundAccounts:
    """Return up to 10 accounts that match; an id finds only its own account."""
    account_id = parse_uuid(call.text)
    rows = await deps.database.fetch(_FIND, account_id, call.text if account_id is None else None, MAX_FOUND)
    return FoundAccounts([FoundAccount(**{**row, "role": Role(row["role"])}) for row in rows])
