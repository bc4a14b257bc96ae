"""The errors that services share: a client reads the slug, a caller catches the class.

::

    AppError                      status  default slug             retried by callers and consumers?
    ├── BadRequest                400     bad-request              no
    ├── Unauthenticated           401     unauthenticated          no
    ├── Forbidden                 403     forbidden                no
    ├── NotFound                  404     not-found                no
    ├── MethodNotAllowed          405     method-not-allowed       no
    ├── Conflict                  409     conflict                 no: the answer is final
    ├── Gone                      410     gone                     no
    ├── PreconditionFailed        412     precondition-failed      no: the state is another one
    ├── TooLarge                  413     body-too-large           no
    ├── WrongMediaType            415     unsupported-media-type   no
    ├── Unprocessable             422     unprocessable            no
    ├── TooManyRequests           429     too-many-requests        yes, after Retry-After
    ├── InternalError             500     internal-error           no: a bug
    └── Unavailable               503     unavailable              yes
        ├── BadGateway            502     bad-answer               yes
        ├── BreakerOpen           503     breaker-open             yes, after Retry-After
        └── DeadlinePassed        504     deadline-passed          yes

An error with its own slug and message is defined in the module that raises it, or in the model of its service::

    OrderNotFound: Final = NotFound.of("order-not-found", "Order not found.")

Its text at `/docs/problems` is this message; the code may raise it with a more specific one.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Final, Self

from msgspec import Meta, Struct

_Text = Annotated[str, Meta(max_length=10_000)]
_ShortText = Annotated[str, Meta(max_length=500)]


class FieldError(Struct, frozen=True):
    """An invalid field of a request, and why it is invalid."""

    field: _Text
    message: _Text


class Problem(Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457)."""

    type: _ShortText
    title: _ShortText
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: _Text
    slug: Annotated[
        str, Meta(max_length=100, pattern=r"^[a-z0-9-]+\Z", extra={"invalid": "Not a slug. Use a-z, 0-9 and hyphens."})
    ]
    correlation_id: _ShortText
    errors: Annotated[list[FieldError], Meta(max_length=1_000)] | None = None


class AppError(Exception):
    """An error for the caller, with a message that describes the problem and its remedy."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    transient: ClassVar[bool] = False
    """Whether the same request may succeed later; calls and consumers then retry."""
    slug: str = "internal-error"
    headers: Sequence[tuple[str, str]] = ()
    """More headers of the response to the client, such as Allow."""

    @classmethod
    def of(cls, slug: str, message: str) -> type[Self]:
        """Return a subclass with its own slug, the stable name of the problem in the API, and its usual message."""
        return type(slug.title().replace("-", ""), (cls,), {"slug": slug, "__doc__": message})

    def __init__(
        self,
        detail: str = "",
        *,
        field: str = "",
        errors: list[FieldError] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Create an error.

        Args:
            detail: the message, by default the first line of the class's docstring.
            field: the invalid field that the message is about; shorthand for `errors` with one entry.
            errors: all invalid fields.
            retry_after: seconds.
        """
        self.detail = detail or (type(self).__doc__ or "").partition("\n")[0]
        super().__init__(self.detail)
        self.errors = [FieldError(field, self.detail)] if field else errors
        self.retry_after = retry_after

    def problem(self, correlation_id: str) -> Problem:
        """Return the document that a client reads."""
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
    """The request is malformed."""

    status, title, slug = 400, "Bad request", "bad-request"


class Unauthenticated(AppError):
    """You are not signed in. Sign in and try again."""

    status, title, slug = 401, "Unauthenticated", "unauthenticated"


class Forbidden(AppError):
    """Your account has no access to this."""

    status, title, slug = 403, "Forbidden", "forbidden"


class NotFound(AppError):
    """Not found, or not visible to your account."""

    status, title, slug = 404, "Not found", "not-found"


class MethodNotAllowed(AppError):
    """The endpoint does not support this method."""

    status, title, slug = 405, "Method not allowed", "method-not-allowed"

    @classmethod
    def only(cls, *methods: str) -> Self:
        """Return the error of an endpoint that supports these methods only; HEAD comes with GET."""
        error = cls(f"Method not allowed. Use {' or '.join(method for method in methods if method != 'HEAD')}.")
        error.headers = [("allow", ", ".join(methods))]
        return error


class Conflict(AppError):
    """The request conflicts with the current state. The same request gets the same answer."""

    status, title, slug = 409, "Conflict", "conflict"


class Gone(AppError):
    """No longer available. The same address may answer again later."""

    status, title, slug = 410, "Gone", "gone"


class PreconditionFailed(AppError):
    """The condition of If-Match does not hold. Read the current version, then try again."""

    status, title, slug = 412, "Precondition failed", "precondition-failed"


class TooLarge(AppError):
    """The request body is too large. Send a smaller one."""

    status, title, slug = 413, "Body too large", "body-too-large"


class WrongMediaType(AppError):
    """The endpoint does not accept this media type. Send JSON."""

    status, title, slug = 415, "Unsupported media type", "unsupported-media-type"


class Unprocessable(AppError):
    """The request has invalid fields; see `errors`."""

    status, title, slug = 422, "Invalid request", "unprocessable"


class TooManyRequests(AppError):
    """Too many requests. Wait for the time in Retry-After."""

    status, title, slug, transient = 429, "Too many requests", "too-many-requests", True


class InternalError(AppError):
    """Internal error. Report it with the correlation id, under which it is logged."""


class Unavailable(AppError):
    """Temporarily unavailable. Try again later."""

    status, title, slug, transient = 503, "Unavailable", "unavailable", True


class ServiceUnavailable(Unavailable):
    """The service cannot be reached. Try again in a moment."""

    slug = "service-unavailable"

    def __init__(self, service: str) -> None:
        """Name the service in the slug, like `order-unavailable`."""
        super().__init__(f"The {service} service cannot be reached. Try again in a moment.", retry_after=1)
        self.slug = f"{service}-unavailable"


class BadGateway(Unavailable):
    """A service sent an invalid reply. Try again later."""

    status, title, slug = 502, "Bad gateway", "bad-answer"


class BreakerOpen(Unavailable):
    """A service failed too often and is not called for now. Wait for the time in Retry-After."""

    slug = "breaker-open"


class DeadlinePassed(Unavailable):
    """The request took too long. Try again."""

    status, title, slug = 504, "Timeout", "deadline-passed"


WrongRole: Final = Forbidden.of("wrong-role", "Your account's role does not allow this. Sign in with another account.")


def wrong_role(roles: Iterable[str]) -> Forbidden:
    """Return the error for an account that has none of the roles that are needed."""
    return WrongRole(
        f"Only {' and '.join(f'{role}s' for role in sorted(roles))} have access. Sign in with another account."
    )


Stale: Final = PreconditionFailed.of(
    "stale", "This has changed since you read it, so nothing was saved. Read it again, and send its ETag as If-Match."
)
AlreadyDecided: Final = Conflict.of(
    "already-decided", "An admin has already decided about this. Read it again, and send its ETag as If-Match."
)
EndpointNotFound: Final = NotFound.of("endpoint-not-found", "There is no such endpoint. See /docs for all endpoints.")

KINDS: Final[tuple[type[AppError], ...]] = (
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    Gone,
    PreconditionFailed,
    TooLarge,
    WrongMediaType,
    Unprocessable,
    TooManyRequests,
    InternalError,
    Unavailable,
    BadGateway,
    DeadlinePassed,
)
"""One class per status."""
_BY_STATUS: Final = {kind.status: kind for kind in KINDS}


def from_problem(problem: Problem, *, retry_after: float | None = None) -> AppError:
    """Return the error of a problem document, with its slug.

    A status without a class becomes `Conflict` if it is a 4xx, otherwise `Unavailable`.
    """
    error_class = _BY_STATUS.get(problem.status)
    if error_class is None:
        error_class = Conflict if 400 <= problem.status < 500 else Unavailable  # noqa: PLR2004
    if problem.slug == BreakerOpen.slug:
        error_class = BreakerOpen
    error = error_class(problem.detail, errors=problem.errors, retry_after=retry_after)
    error.slug = problem.slug
    return error
