"""The callee's line of a request: the ids that it is about, its outcome, and why it failed."""

import time
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.observability.ids import Ids
from nextbuy.kit.observability.interaction import FIRST_ERROR
from nextbuy.kit.observability.redaction import reason_of
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.wire import Response

QUIET_CALLS: Final = frozenset({"receive-events", "store-interactions"})
"""Calls that log a line only if they fail: received events have their own lines, and storing lines adds none."""


class ServedRequest:
    """A request that a service handles. `name` and `caller` are set as soon as they are known."""

    __slots__ = ("_began", "caller", "error", "headers", "ids", "name", "quiet")

    def __init__(self, name: str) -> None:
        self._began = time.perf_counter()
        self.caller = "gateway"
        self.error: AppError | None = None
        """The error that the response reports."""
        self.headers: list[tuple[str, str]] = []
        """More headers of the response."""
        self.ids: Ids = {}
        self.name = name
        self.quiet = False
        """Whether it logs a line only if it fails."""

    def log(self, journal: Journal, service: str, span: SpanContext, response: Response | None, *, local: bool) -> None:
        """Log the line; without a response, the request was cancelled because its caller waits no longer.

        `local` is true if the caller is in this process and logs its line at once. A successful read without ids then
        has no second line, which would cost as much as the read from the cache.
        """
        status, outcome, reason = 0, "cancelled", ""
        if response is not None:
            status, outcome = response.status, "ok"
            if self.error is not None:
                outcome, reason = self.error.slug, reason_of(self.error)
            elif status >= FIRST_ERROR:
                # A page, or a stored response that is sent again for the same Idempotency-Key.
                outcome = "refused" if status < 500 else "failed"  # noqa: PLR2004
            elif self.quiet or (local and not self.ids and not span.sampled and self.name.startswith("GET ")):
                return
        journal.interaction(
            "serve",
            self.caller,
            service,
            self.name,
            trace=span,
            began=self._began,
            outcome=outcome,
            status=status,
            ids=self.ids,
            reason=reason,
            with_next=local,
        )
