"""A part of the status of notification: whether its mail server can be used."""

from nextbuy.notification.deps import Deps


async def mail_problems(deps: Deps) -> dict[str, list[str]]:
    """Return why the mail server could not be used at the last attempt, if so."""
    return {"problems": [deps.mailer.problem] if deps.mailer.problem else []}
