"""Hands over what is due, until somebody kills it: `mail_victim.py DATABASE_URL PORT ACCOUNT_ID EMAIL`."""

import asyncio
import sys
from typing import Any, cast
from uuid import UUID

from nextbuy.contracts.auth import Account, Accounts, AuthClient
from nextbuy.contracts.message import Call
from nextbuy.contracts.values import Role
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.mailer import SmtpMailer
from nextbuy.kafka.mails.send_mails import send_mails
from nextbuy.kit.config import Smtp
from nextbuy.kit.storage.database import Database


async def main(url: str, port: int, who: Account) -> None:
    """Hand it over."""

    async def send(_call: Call[Any]) -> Any:  # noqa: ANN401
        return Accounts([who])

    database = await Database.connect(url, "kafka")
    mailer = SmtpMailer(Smtp(host="127.0.0.1", port=port, sender="shop@nextbuy.test", sender_name="Next, Buy"))
    nobody = cast("Any", None)
    await send_mails(Deps(AuthClient(cast("Any", send)), nobody, nobody, nobody, nobody, database, nobody, mailer))


if __name__ == "__main__":
    _, url_, port_, id_, email_ = sys.argv
    asyncio.run(main(url_, int(port_), Account(UUID(id_), email_, "Maya", Role.BUYER)))
