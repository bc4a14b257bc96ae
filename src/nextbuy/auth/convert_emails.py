"""Job: convert the e-mail addresses that release 0.2.0 stored with a domain in Unicode; this one stores A-labels."""

import logging
from typing import Final

from nextbuy.auth.deps import Deps
from nextbuy.contracts.email_address import normal_email

log: Final = logging.getLogger(__name__)
_UNCONVERTED: Final = "SELECT id, email FROM accounts WHERE octet_length(email) <> char_length(email)"
_CONVERT: Final = """
    UPDATE accounts SET email = $2
     WHERE id = $1 AND NOT EXISTS (SELECT FROM accounts AS other WHERE other.email = $2 AND other.id <> $1)
    RETURNING true
"""


async def convert_emails(deps: Deps) -> None:
    """Convert each e-mail address that is not ASCII; any number of processes may do so at once, and again.

    An account keeps its address, and cannot sign in, if the address is invalid or belongs to another account now. It is
    logged each time.
    """
    for row in await deps.database.fetch(_UNCONVERTED):
        try:
            converted = await deps.database.fetchval(_CONVERT, row["id"], normal_email(row["email"]))
        except ValueError:
            converted = False
        if not converted:
            log.warning(
                "e-mail address not converted; its account cannot sign in", extra={"account_id": str(row["id"])}
            )
