"""The settings of the marketplace as people see it: its name, and the e-mail address of its contact."""

from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Struct

from nextbuy.contracts.email_address import normal_email
from nextbuy.kit.config_values import ConfigError, Setting

_MAX_NAME: Final = 60


class Marketplace(Struct, frozen=True, kw_only=True):
    """The name of the marketplace, and its e-mail address for visitors; "" for none."""

    name: Annotated[
        str, Setting("MARKETPLACE_NAME", "Name of the marketplace on pages and in e-mails.", section="Marketplace")
    ] = "NextBuy"
    contact: Annotated[
        str, Setting("CONTACT_EMAIL", "E-mail address for buyers and sellers, on pages and in e-mails.", "none")
    ] = ""


def read_marketplace(read: Callable[[str, str], str]) -> Marketplace:
    """Read the name and the contact."""
    name, contact = read("MARKETPLACE_NAME", Marketplace().name).strip(), read("CONTACT_EMAIL", "").strip()
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        message = f"NEXTBUY_MARKETPLACE_NAME is invalid. Use one line of 1 to {_MAX_NAME} characters."
        raise ConfigError(message)
    try:
        return Marketplace(name=name, contact=normal_email(contact) if contact else "")
    except ValueError:
        message = "NEXTBUY_CONTACT_EMAIL is invalid. Use an e-mail address, such as help@example.com."
        raise ConfigError(message) from None
