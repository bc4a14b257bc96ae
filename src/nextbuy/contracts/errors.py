"""The errors that services share; a client reads the slug, a caller reads the class.

::

    AppError                    status  slug (examples)               may it be tried again?
    ├── Refused                 409     sold-out, session-expired     no: the answer is final
    ├── BadRequest              400     bad-signature                 no
    ├── Unauthenticated                401     token-expired                 no
    ├── Forbidden              403     not-your-shop                 no
    ├── NotFound                404     no-such-order                 no
    ├── MethodNotAllowed       405     method-not-allowed            no
    ├── TooLarge                413     body-too-large                no
    ├── WrongMediaType          415     not-json                      no
    ├── Unreadable              422     unreadable                    no
    ├── TooMany                 429     slow-down                     yes, after Retry-After
    ├── Broken                  500     broken                        no: a defect of ours
    └── Unavailable             503     product-unavailable           yes: transient
        ├── BadGateway          502     bad-answer                    yes
        ├── BreakerOpen         503     breaker-open                  yes, after Retry-After
        └── DeadlinePassed      504     deadline-passed               yes

Whether an error may be tried again is a property of its class: calls and consumers both read it there.
"""

from typing import ClassVar, Final

from msgspec import Struct


class FieldError(Struct, frozen=True):
    """One thing wrong with one field of a request."""

    field: str
    message: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457), as it goes over the wire."""

    type: str
    title: str
    status: int
    detail: str
    slug: str
    correlation_id: str
    errors: list[FieldError] | None = None


class AppError(Exception):
    """An error that is told to the caller: its message says what happened, and what to do about it."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something broke"
    transient: ClassVar[bool] = False
    slug: str = "broken"

    def __init__(
        self,
        detail: str,
        *,
        slug: str | None = None,
        errors: list[FieldError] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Say what happened; `retry_after` is in seconds."""
        super().__init__(detail)
        self.detail = detail
        self.slug = slug or type(self).slug
        self.errors = errors
        self.retry_after = retry_after

    def problem(self, correlation_id: str) -> Problem:
        """Return this error as the document that a client reads."""
        return Problem(
            type=f"/docs/problems#{self.slug}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            slug=self.slug,
            correlation_id=correlation_id,
            errors=self.errors,
        )


class BadRequest(AppError):
    """The request cannot be believed, or makes no sense as it stands."""

    status, title, slug = 400, "Bad request", "bad-request"


class Unauthenticated(AppError):
    """Nobody is logged in, or the token is no good."""

    status, title, slug = 401, "Not logged in", "not-logged-in"


class Forbidden(AppError):
    """Known, but not allowed."""

    status, title, slug = 403, "Not allowed", "not-allowed"


class NotFound(AppError):
    """Not there, or not yours to see."""

    status, title, slug = 404, "Not found", "not-found"


class MethodNotAllowed(AppError):
    """The address exists, but not for this method."""

    status, title, slug = 405, "Method not allowed", "method-not-allowed"


class Conflict(AppError):
    """Understood and refused: trying the same again gives the same answer."""

    status, title, slug = 409, "Refused", "refused"


class TooLarge(AppError):
    """The body is larger than the route takes."""

    status, title, slug = 413, "Too large", "body-too-large"


class WrongMediaType(AppError):
    """The body is not of a kind that the route reads."""

    status, title, slug = 415, "Unsupported media type", "not-json"


class Unprocessable(AppError):
    """The request cannot be read as what it should be; `errors` names the fields."""

    status, title, slug = 422, "Unreadable", "unreadable"


class TooManyRequests(AppError):
    """Too many requests; try again after `retry_after` seconds."""

    status, title, slug, transient = 429, "Too many requests", "slow-down", True


class InternalError(AppError):
    """A defect of ours; the detail never says more than that."""


class Unavailable(AppError):
    """Something needed is out of reach for now; the same request may work later."""

    status, title, slug, transient = 503, "Unavailable", "unavailable", True


class BadGateway(Unavailable):
    """A service answered with something that is no answer."""

    status, title, slug = 502, "Bad gateway", "bad-answer"


class BreakerOpen(Unavailable):
    """The callee failed too often lately; it is left alone until `retry_after` has passed."""

    slug = "breaker-open"


class DeadlinePassed(Unavailable):
    """The time that the caller gave has run out."""

    status, title, slug = 504, "Timed out", "deadline-passed"


KINDS: Final[tuple[type[AppError], ...]] = (
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    TooLarge,
    WrongMediaType,
    Unprocessable,
    TooManyRequests,
    InternalError,
    Unavailable,
    BadGateway,
    DeadlinePassed,
)
_BY_STATUS: Final = {kind.status: kind for kind in KINDS}


def from_problem(problem: Problem, *, retry_after: float | None = None) -> AppError:
    """Return the error that a problem document stands for, with its slug kept.

    A status that no class has becomes the class of its hundred: 4xx `Conflict`, else `Unavailable`.
    """
    kind = _BY_STATUS.get(problem.status)
    if kind is None:
        kind = Conflict if 400 <= problem.status < 500 else Unavailable  # noqa: PLR2004
    if problem.slug == BreakerOpen.slug:
        kind = BreakerOpen
    return kind(problem.detail, slug=problem.slug, errors=problem.errors, retry_after=retry_after)
