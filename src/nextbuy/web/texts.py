"""Texts for people in one language: messages of the catalogue, amounts, numbers and times (CLDR, by Babel)."""

from datetime import date, datetime
from functools import lru_cache
from gettext import NullTranslations
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision
from jinja2 import Environment, nodes
from jinja2.ext import InternationalizationExtension
from jinja2.parser import Parser
from markupsafe import Markup

from nextbuy.contracts.values import Money

ENGLISH: Final = Locale("en", "US")
_SECOND: Final = 1000.0
"""Milliseconds of a second."""
_MAX_STORED: Final = 5_000
"""Cached texts, of amounts and of numbers each: formatting one takes as long as the rest of a small component."""


class Texts:
    """The texts of one language and time zone."""

    def __init__(self, translations: NullTranslations, locale: Locale, zone: ZoneInfo) -> None:
        """Translate the messages of the templates, which are English, and show times in `zone`."""
        self._translations = translations
        self._locale = locale
        self._zone = zone

    def install(self, environment: Environment) -> None:
        """Make the texts available to the templates of an environment with the extension `ConstantTexts`."""
        extended: Any = environment
        extended.install_gettext_translations(self._translations, newstyle=True)
        extended.extend(translate=self._translations.gettext)
        environment.globals["language"] = self._locale.language
        environment.filters |= {
            "money": lru_cache(_MAX_STORED)(self.money),
            "number": lru_cache(_MAX_STORED)(self.number),
            "when": self.when,
            "day": self.day,
            "capitalise": _capitalise,
            "duration": self.duration,
        }

    def money(self, amount: Money) -> str:
        """Return an amount with its currency, such as `$28.00`."""
        digits = get_currency_precision(amount.currency)
        return format_currency(amount.amount / 10**digits, amount.currency, locale=self._locale)

    def number(self, value: int) -> str:
        """Return a number with separators, such as `1,234`."""
        return format_decimal(value, locale=self._locale)

    def duration(self, milliseconds: float) -> str:
        """Return a duration in the unit that fits: `0.8 ms`, `2.4 s`, `3 min`."""
        if milliseconds < _SECOND:
            return f"{format_decimal(milliseconds, '0.#' if milliseconds < 10 else '0', locale=self._locale)} ms"  # noqa: PLR2004
        if milliseconds < 60 * _SECOND:
            return f"{format_decimal(milliseconds / _SECOND, '0.#', locale=self._locale)} s"
        return f"{format_decimal(milliseconds / (60 * _SECOND), '0', locale=self._locale)} min"

    def when(self, moment: datetime) -> Markup:
        """Return a date and time with its zone as an element; `times.js` shows it in the reader's own zone."""
        local = moment.astimezone(self._zone)
        day = format_date(local, "medium", locale=self._locale)
        time = format_time(local, "short", tzinfo=self._zone, locale=self._locale)
        return _element(moment, f"{day}, {time} {local.tzname()}", "minute")

    def day(self, moment: date) -> Markup:
        """Return a date, or that of a time, as an element."""
        if not isinstance(moment, datetime):
            return _element(moment, format_date(moment, "medium", locale=self._locale))
        local = moment.astimezone(self._zone)
        return _element(moment, format_date(local, "medium", locale=self._locale), "day")


class ConstantTexts(InternationalizationExtension):
    """The extension `i18n` of Jinja, which translates messages without variables when it compiles a template."""

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Return the nodes of a `trans` block."""
        found = super().parse(parser)
        match found:
            case nodes.Output(
                nodes=[nodes.Call(node=nodes.Name(name="gettext"), args=[nodes.Const(value=str(message))], kwargs=[])]
            ):
                environment: Any = self.environment
                # The message is HTML, in which Jinja has doubled each percent sign.
                return nodes.Output([nodes.TemplateData(environment.translate(message) % {})], lineno=found.lineno)
        return found


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _element(moment: date, text: str, unit: str = "") -> Markup:
    """Return a `time` element; with `unit`, it depends on the zone."""
    local = Markup(' data-local="{}"').format(unit) if unit else ""
    return Markup('<time datetime="{}"{}>{}</time>').format(moment.isoformat(), local, text)
