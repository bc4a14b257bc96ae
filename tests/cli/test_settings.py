"""Settings are documented once, and a bad one is refused with a sentence that names it and the remedy."""

import tomllib
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from nextbuy.cli.main import main
from nextbuy.kit.config import PREFIX, SERVICES, documented_settings, from_environment
from nextbuy.kit.config_values import ConfigError

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"
USED: Final = {"NEXTBUY_SMTP_URL": "smtp://mail.test", "NEXTBUY_MAIL_FROM": "shop@example.com"}


class Environment(dict[str, str]):
    """An environment that records the variables that are read."""

    read: set[str]

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        self.read.add(name)
        return super().get(name, default)


def test_every_variable_that_is_read_is_documented() -> None:
    environment = Environment(USED)
    environment.read = set()

    from_environment(environment)

    documented = {f"{PREFIX}{setting.name}" for setting in documented_settings()} - {f"{PREFIX}<SERVICE>_URL"}
    urls = {f"{PREFIX}{name.upper()}_URL" for name in (*SERVICES, "simulator", "web", "gateway")}
    assert environment.read - {"NEXTBUY_STRIPE_KEY"} == documented | urls


def test_settings_are_printed_with_defaults_and_by_section() -> None:
    lines = CliRunner().invoke(main, ["settings"]).output.splitlines()

    assert lines[0] == "Gateway"
    assert "  NEXTBUY_PORT                     Port to listen on. Default: 8080" in lines
    assert len([line for line in lines if PREFIX in line]) == len([*documented_settings()])


def test_current_settings_are_printed_without_values() -> None:
    environment = {
        "NEXTBUY_CACHE_URL": "redis://:swordfish@hush",
        "NEXTBUY_SECRET": "swordfish-swordfish",
        "NEXTBUY_ORDER_URL": "http://hush",
        "NEXTBUY_DATA": "",
    }

    output = CliRunner(env=environment).invoke(main, ["settings", "--current"]).output

    assert [line.split()[0] for line in output.splitlines() if PREFIX in line] == [
        "NEXTBUY_CACHE_URL",
        "NEXTBUY_SECRET",
        "NEXTBUY_<SERVICE>_URL",
    ]
    assert "swordfish" not in output
    assert "hush" not in output


def test_version_is_printed() -> None:
    version = tomllib.loads(PROJECT.read_text())["project"]["version"]

    assert CliRunner().invoke(main, ["--version"], prog_name="nextbuy").output == f"nextbuy {version}\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "NEXTBUY_PORT is 'http'. Use a number from 1 to 65535."),
        ("PORT", "0", "NEXTBUY_PORT is '0'. Use a number from 1 to 65535."),
        ("SESSION_MINUTES", "nan", "NEXTBUY_SESSION_MINUTES is 'nan'. Use a number from 0.01 to 1440."),
        ("LOG_LEVEL", "loud", "NEXTBUY_LOG_LEVEL is 'loud'. Use one of debug, info, warning, error."),
        ("SECRET", "short", "NEXTBUY_SECRET is too short. Use at least 16 characters."),
        (
            "POSTGRES_URL",
            "mysql://u:p@x",
            "NEXTBUY_POSTGRES_URL is invalid. Use a URL that starts with postgres:// or postgresql://.",
        ),
        (
            "CACHE_URL",
            "memcached://:secret@x",
            "NEXTBUY_CACHE_URL is invalid. Use a URL that starts with redis:// or rediss:// or unix://.",
        ),
        ("ORDER_URL", "order:80", "NEXTBUY_ORDER_URL is invalid. Use a URL that starts with http:// or https://."),
        (
            "CORS_ORIGINS",
            "shop.example",
            "NEXTBUY_CORS_ORIGINS contains 'shop.example'. Use origins like https://shop.example.",
        ),
        ("KAFKA_SERVERS", "kafka", "NEXTBUY_KAFKA_SERVERS contains 'kafka'. Use HOST:PORT, separated by commas."),
        (
            "STRIPE_KEY",
            "sk_test",
            "NEXTBUY_STRIPE_KEY is set, but this version pays through the simulator only. Unset it.",
        ),
    ],
)
def test_bad_setting_is_refused_with_remedy(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_environment({f"{PREFIX}{name}": value})

    assert str(error.value) == message
