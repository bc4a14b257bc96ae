"""Amounts, times and durations for people."""

from datetime import UTC, datetime
from gettext import NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from nextbuy.contracts.values import Money
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.web.site import Site
from nextbuy.web.texts import ENGLISH, Texts

TEXTS = Texts(NullTranslations(), ENGLISH, ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(123_450), "$1,234.50"),
        (Money(0), "$0.00"),
        (Money(-500), "-$5.00"),
        (Money(500, "JPY"), "¥500"),
        (Money(1234, "KWD"), "KWD1.234"),
    ],
)
def test_amount_has_the_digits_of_its_currency(money: Money, text: str) -> None:
    assert TEXTS.money(money) == text


def test_time_is_in_the_zone_of_the_marketplace_and_names_it() -> None:
    text = TEXTS.when(datetime(2026, 11, 29, 3, 4, 5, tzinfo=UTC))

    assert (
        text == '<time datetime="2026-11-29T03:04:05+00:00" data-local="minute">Nov 28, 2026, 10:04\u202fPM EST</time>'
    )


def test_day_of_a_time_is_in_the_zone_of_the_marketplace_and_a_date_in_none() -> None:
    moment = datetime(2026, 11, 29, 3, 4, 5, tzinfo=UTC)

    assert TEXTS.day(moment) == '<time datetime="2026-11-29T03:04:05+00:00" data-local="day">Nov 28, 2026</time>'
    assert TEXTS.day(moment.date()) == '<time datetime="2026-11-29">Nov 29, 2026</time>'


@pytest.mark.parametrize("name", ["Europe/Berlinn", "../x", ""])
def test_unknown_zone_is_refused_at_the_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="NEXTBUY_TIME_ZONE is"):
        Site(Settings(secret=b"s" * 16, data=tmp_path, time_zone=name), demo=False)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.84, "0.8 ms"), (43.2, "43 ms"), (2_400, "2.4 s"), (59_960, "60 s"), (180_000, "3 min")],
)
def test_duration_is_in_the_unit_that_fits(milliseconds: float, text: str) -> None:
    assert TEXTS.duration(milliseconds) == text
