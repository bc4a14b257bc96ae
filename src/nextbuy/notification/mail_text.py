"""The text of a mail, as plain text and as HTML, from one template; texts by users are escaped in HTML."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.text import single_line
from nextbuy.notification.model import HIDDEN_TOKEN, EmailText, NotificationDraft

_LOADER: Final = PackageLoader("nextbuy.notification")
_HTML: Final = Environment(
    loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
)
_PLAIN: Final = _HTML.overlay(autoescape=False)


def email_for(draft: NotificationDraft, public_url: str, marketplace: Marketplace) -> EmailText:
    """Return the e-mail of a notification by a marketplace; `public_url` is the public base URL of its gateway."""
    label, url = "View the details", f"{public_url}{draft.link}"
    if (link := draft.mail_link) is not None:
        label, url = link.label, f"{public_url}{link.page}?token={HIDDEN_TOKEN}"
    subject = single_line(f"{draft.title} · {marketplace.name}")
    values = {
        "subject": subject,
        "marketplace": marketplace,
        "message": draft.message,
        "label": label,
        "url": url,
        "all_url": f"{public_url}/notifications",
    }
    plain, html = (
        environment.get_template("mail.jinja").render(values, html=environment is _HTML)
        for environment in (_PLAIN, _HTML)
    )
    return EmailText(subject, plain, html)
