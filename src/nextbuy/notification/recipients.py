"""The recipients of stored mails: their e-mail addresses are looked up in auth when an admin reads the mails."""

from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from nextbuy.contracts.auth import AuthClient
from nextbuy.notification.model import Mail

AnyMail = TypeVar("AnyMail", bound=Mail)


async def add_recipients(auth: AuthClient, mails: Sequence[AnyMail]) -> list[AnyMail]:
    """Return the mails; those that are stored without a recipient get the e-mail address of their account."""
    unknown = {mail.account_id for mail in mails if mail.status == "stored" and not mail.recipient}
    accounts = await auth.get_accounts(list(unknown)) if unknown else []
    emails = {account.id: account.email for account in accounts}
    return [
        replace(mail, recipient=emails.get(mail.account_id, "")) if mail.account_id in unknown else mail
        for mail in mails
    ]
