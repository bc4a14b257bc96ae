"""A process that sends due mails until it is killed: `mail_process.py DATABASE_URL PORT ACCOUNT_ID EMAIL`."""

import asyncio
import sys
from typing import Any, cast
from uuid import UUID

from nextbuy.contracts.auth import Account, Accounts, AuthClient
from nextbuy.contracts.message import Call, Check
from nextbuy.contracts.values import Role
from nextbuy.kit.config_mail import Smtp
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.notification.deps import Deps
from nextbuy.notification.mailer import SmtpMailer
from nextbuy.notification.send_mails import send_mails


async def main(url: str, port: int, recipient: Account) -> None:
    """Send the due mails, all to one account."""

    async def send(_call: Call[Any], _check: Check[Any] | None = None) -> Any:  # noqa: ANN401
        return Accounts([recipient])

    smtp = Smtp(host="127.0.0.1", port=port, sender="shop@nextbuy.test", sender_name="Next, Buy")
    database = await Database.connect(url, "notification")
    deps = Deps(
        auth=AuthClient(cast("Any", send)),
        database=database,
        mailer=SmtpMailer(smtp),
        public_url="",
        marketplace=Marketplace(),
        journal=Journal(),
        streams=ChangeStreams(database, ""),
    )
    await send_mails(deps)


if __name__ == "__main__":
    _, url_, port_, id_, email_ = sys.argv
    asyncio.run(main(url_, int(port_), Account(UUID(id_), email_, "Maya", Role.BUYER)))
