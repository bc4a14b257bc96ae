"""The site: its templates, texts and assets, prepared once per process."""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from functools import partial
from gettext import NullTranslations
from hashlib import blake2b
from importlib import resources
from secrets import token_urlsafe
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct
from msgspec.structs import asdict

from nextbuy.kit.bounded_cache import BoundedCache
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.wire import encode
from nextbuy.web.assets import hash_assets, read_folder
from nextbuy.web.design_tokens import read_tokens
from nextbuy.web.texts import ENGLISH, ConstantTexts, Texts

STYLE: Final = "site.css"
_BASE: Final = "shop.css"
_COMPONENTS: Final = "components/"
_MAX_PUBLIC_PAGES: Final = 1_000
"""Public pages whose HTML is cached: those that many strangers read."""
_MAX_PUBLIC_BYTES: Final = 16 * 1024 * 1024
"""Bytes of their HTML, half as much as `PublicCache` stores."""
_COMPONENT: Final = re.compile(r"\{# (?P<about>.*?) #\}.*?\{% macro (?P<macro>.*?) %\}", re.DOTALL)


class Component(Struct, frozen=True):
    """A component: a template with a macro, an example of it, and its style."""

    name: str
    template: str
    about: str
    macro: str
    """The name and the parameters of its first macro."""


class _Templates(Environment):
    """An environment that gives each template its globals as one dict, because imports read a `ChainMap` slowly."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Merge the globals, which must not change after a template is loaded."""
        return {**self.globals, **(d or {})}


class Site:
    """The templates, texts and assets that all pages of a process share."""

    def __init__(self, settings: Settings, *, demo: bool, translations: NullTranslations | None = None) -> None:
        """Load templates and assets; with `demo`, pages offer the demo logins."""
        self.settings = settings
        self.demo = demo
        self._public: BoundedCache[bytes, bytes] = BoundedCache(
            max_values=_MAX_PUBLIC_PAGES, max_bytes=_MAX_PUBLIC_BYTES
        )
        self._templates = _Templates(
            loader=PackageLoader(__package__, "."),
            autoescape=True,
            auto_reload=False,
            cache_size=-1,  # A plain dict, without the lock of a bounded cache.
            undefined=StrictUndefined,
            extensions=[ConstantTexts],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        Texts(translations or NullTranslations(), ENGLISH, _zone(settings.time_zone)).install(self._templates)
        # Before the components are loaded, because a component that another imports keeps the globals of that moment.
        self._templates.globals |= {
            "imports": self._import_paths,
            "new_key": partial(token_urlsafe, 16),
        }
        self._templates.policies["json.dumps_function"] = lambda value, **_: encode(value).decode()
        # A filter, so that the path is part of the compiled template.
        self._templates.filters["asset"] = self._asset_path
        self._templates.globals["base_url"] = settings.public_url
        self._templates.globals["marketplace"] = settings.marketplace
        texts = read_folder(resources.files(__package__) / "static")
        self.tokens = read_tokens(texts[_BASE])
        texts[STYLE] = texts.pop(_BASE) + self._component_styles()
        self.assets = hash_assets(texts)

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Return a page as HTML."""
        return self._templates.get_template(template).render(context)

    def render_public(self, template: str, view: Struct, layout: Mapping[str, Any]) -> bytes:
        """Return a page as HTML, cached by `template` and the content of `view`; `layout` is the same in all calls."""
        key = blake2b(template.encode() + encode(view)).digest()
        html = self._public.get(key)
        if html is None:
            html = self.render(template, {**asdict(view), **layout}).encode()
            self._public.insert(key, html, len(html))
        return html

    def components(self) -> list[Component]:
        """Return the components, each a template with macros, an example and their style."""
        return list(self._read_components())

    def _read_components(self) -> Iterator[Component]:
        loader = self._templates.loader
        for template in self._templates.list_templates(["html"]):
            if loader is not None and template.startswith(_COMPONENTS):
                found = _COMPONENT.match(loader.get_source(self._templates, template)[0])
                if found is None:
                    message = f"{template}: begin with a comment that describes it, then its macro"
                    raise ValueError(message)
                name = template.removeprefix(_COMPONENTS).removesuffix(".html")
                yield Component(name, template, found["about"], found["macro"])

    def _component_styles(self) -> str:
        modules = (self._templates.get_template(one.template).make_module() for one in self.components())
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
