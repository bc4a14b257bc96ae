"""The tokens of links as clients send them: checked, and guesses of them throttled."""

from nextbuy.auth import link_store
from nextbuy.auth import login_throttling as throttling
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import FailureScope, Link, LinkInvalid, LinkPurpose, TooManyAttempts
from nextbuy.auth.sessions import hash_token
from nextbuy.kit.http.caller import Caller


async def require_link(deps: Deps, caller: Caller, token: str, *purposes: LinkPurpose) -> Link:
    """Return the valid link of a token.

    Raises:
        LinkInvalid: the token is unknown, or of another purpose, or its link has expired or was used.
        TooManyRequests: this network has sent too many invalid tokens (`too-many-attempts`).
    """
    subjects = throttling.network_subjects(deps, FailureScope.TOKEN, caller)
    await throttling.require_attempt(deps, subjects, refusal=TooManyAttempts)
    link = await link_store.find_link(deps.database, hash_token(token), at=deps.clock())
    if link is None or link.purpose not in purposes:
        await throttling.count_failure(deps, subjects, None, refusal=TooManyAttempts)
        raise LinkInvalid
    return link
