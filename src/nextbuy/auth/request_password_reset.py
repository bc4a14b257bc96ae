"""POST /auth/api/request-password-reset: request a link to set a new password, by e-mail.

The answer and the work are the same whether or not the e-mail has an account: the request is only stored. The job
`start-password-resets` does the rest.
"""

from msgspec import Struct

from nextbuy.auth import link_store
from nextbuy.auth import login_throttling as throttling
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import FailureScope, MailLimit
from nextbuy.contracts.values import GivenEmail, Nothing
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability.telemetry import current_span


class RequestPasswordReset(Struct, frozen=True):
    """The e-mail address of an account."""

    email: GivenEmail


async def request_password_reset(deps: Deps, caller: Caller, request: RequestPasswordReset) -> Nothing:
    """Send a link to set a new password to an e-mail address, if it has an account.

    The link is valid for 30 minutes, and once. An account gets at most five a day.

    Raises:
        TooManyRequests: too many mails were requested from this network (`network-mail-limit`).
    """
    span = current_span()
    subjects = throttling.network_subjects(deps, FailureScope.MAIL, caller)
    async with deps.database.transaction() as tx:
        await throttling.count_attempt(deps, tx, subjects, None, refusal=MailLimit)
        await link_store.insert_reset_request(
            tx, request.email, at=deps.clock(), traceparent=span.traceparent, correlation_id=span.correlation_id
        )
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
