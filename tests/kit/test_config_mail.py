"""Mail settings are read from the environment, and no error message repeats a password."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from nextbuy.kit.config import from_environment
from nextbuy.kit.config_mail import Smtp
from nextbuy.kit.config_values import ConfigError


def smtp(url: str, sender: str = "Shop <shop@example.com>") -> Smtp:
    return from_environment({"NEXTBUY_SMTP_URL": url, "NEXTBUY_MAIL_FROM": sender}).smtp


def test_no_mail_server_by_default() -> None:
    assert from_environment({}).smtp == Smtp()
    assert not Smtp().host


def test_url_has_server_and_login() -> None:
    shop = Smtp(host="mail.test", sender="shop@example.com", sender_name="Shop")
    assert smtp("smtp://mail.test") == replace(shop, port=587)
    assert smtp("smtps://mail.test") == replace(shop, port=465, tls=True)
    found = smtp("smtp://a%40b:p%3A%2F%40%25@[::1]:25")
    assert found == replace(shop, host="::1", port=25, username="a@b", password="p:/@%")
    assert smtp("smtp://mail.test", "shop@example.com").sender_name == ""
    assert smtp("smtp://mail.test", "Shop <Shop@b\u00fccher.example>").sender == "shop@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hush@mail.test",
        "smtp://u:hush@mail.test:port",
        "smtp://u:hush@mail.test:99999",
        "smtp://u:hush@",
        "smtp://u:hush@mail.test/inbox",
        "smtp://u:hush@mail.test?tls=off",
        "smtp://u:hush@[::1",
        "hush",
    ],
)
def test_invalid_url_is_refused_without_password(url: str) -> None:
    with pytest.raises(ConfigError, match="NEXTBUY_SMTP_URL") as refused:
        smtp(url)
    assert "hush" not in str(refused.value)


def test_authority_is_a_file_of_certificates(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    for wrong in (tmp_path / "missing.pem", tmp_path, file):
        settings = {"SMTP_URL": "smtp://mail.test", "MAIL_FROM": "shop@example.com", "SMTP_CA": str(wrong)}
        with pytest.raises(ConfigError, match="NEXTBUY_SMTP_CA"):
            from_environment({f"NEXTBUY_{name}": value for name, value in settings.items()})


@pytest.mark.parametrize(
    "sender", ["", "Shop", "shop@", "@example.com", "a@b\r\nBcc: c@d.test", "Shop <a b@c.test>", "Shop <x:a@c.test>"]
)
def test_mail_server_needs_sender(sender: str) -> None:
    with pytest.raises(ConfigError, match="NEXTBUY_MAIL_FROM"):
        smtp("smtp://mail.test", sender)
