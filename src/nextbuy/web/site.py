"""The site: its templates, texts and assets, prepared once per process."""

from collections.abc import Mapping
from functools import partial
from gettext import NullTranslations
from importlib import resources
from secrets import token_urlsafe
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from nextbuy.kit.config import ConfigError, Settings
from nextbuy.web.assets import hash_assets, read_folder
from nextbuy.web.texts import ENGLISH, Texts

STYLE: Final = "site.css"
_BASE: Final = "shop.css"
_COMPONENTS: Final = "components/"


class Site:
    """The templates, texts and assets that all pages of a process share."""

    def __init__(self, settings: Settings, *, demo: bool, translations: NullTranslations | None = None) -> None:
        """Load templates and assets; with `demo`, pages offer the demo logins."""
        self.settings = settings
        self.demo = demo
        self._templates = Environment(
            loader=PackageLoader(__package__, "."),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        Texts(translations or NullTranslations(), ENGLISH, _zone(settings.time_zone)).install(self._templates)
        # Before the components are loaded, because a component that another imports keeps the globals of that moment.
        self._templates.globals |= {
            "asset": self._asset_path,
            "imports": self._import_paths,
            "new_key": partial(token_urlsafe, 16),
        }
        self._templates.globals["base_url"] = settings.public_url
        texts = read_folder(resources.files(__package__) / "static")
        texts[STYLE] = texts.pop(_BASE) + self._component_styles()
        self.assets = hash_assets(texts)

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Return a page as HTML."""
        return self._templates.get_template(template).render(context)

    def components(self) -> list[str]:
        """Return the names of the components, each a template with macros and their style."""
        return [name for name in self._templates.list_templates(["html"]) if name.startswith(_COMPONENTS)]

    def _component_styles(self) -> str:
        modules = (self._templates.get_template(name).make_module() for name in self.components())
        return "".join(str(getattr(module, "style", "")) for module in modules)

    def _asset_path(self, name: str) -> str:
        return self.assets[name].path

    def _import_paths(self, name: str) -> list[str]:
        return [self.assets[imported].path for imported in self.assets[name].imports]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        message = f"NEXTBUY_TIME_ZONE is {name!r}. Use a name of the IANA database, such as Europe/Berlin."
        raise ConfigError(message) from None
