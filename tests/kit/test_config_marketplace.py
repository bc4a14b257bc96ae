"""The name and the contact of the marketplace."""

import pytest

from nextbuy.kit.config import from_environment
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.config_values import ConfigError


def read(**environment: str) -> Marketplace:
    return from_environment({f"NEXTBUY_{name}": value for name, value in environment.items()}).marketplace


def test_name_and_contact_are_read() -> None:
    assert read() == Marketplace(name="NextBuy", contact="")
    assert read(MARKETPLACE_NAME=" Kiln & Co ", CONTACT_EMAIL="Help@kiln.example") == Marketplace(
        name="Kiln & Co", contact="help@kiln.example"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MARKETPLACE_NAME", "two\nlines"),
        ("MARKETPLACE_NAME", "x" * 61),
        ("CONTACT_EMAIL", "nobody"),
        ("CONTACT_EMAIL", "a@b.example, c@d.example"),
    ],
)
def test_invalid_value_is_refused_with_the_name_of_its_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"NEXTBUY_{name} is invalid"):
        read(**{name: value})
