"""Failed forms: the typed values, and what is wrong with them."""

from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from msgspec import Struct, field

from nextbuy.contracts.errors import AppError, TooManyRequests


class Failure(Struct):
    """A failed form: the typed values, and what is wrong with them, as a whole or in single fields."""

    form: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    error: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    slug: str = ""
    """The slug of the error."""

    def of(self, form: str) -> "Failure":
        """Return this failure if it is of a form, else one without content."""
        return self if self.form == form else Failure()


def failure_of(error: AppError, form: str, typed: Mapping[str, str]) -> Failure:
    """Return the failure of a form that the API has refused.

    Raises:
        AppError: the API is unavailable, which the visitor cannot correct.
    """
    if error.transient and error.status != TooManyRequests.status:
        raise error
    errors = {one.field: one.message for one in error.errors or []}
    return Failure(form, dict(typed), "" if errors else error.detail, errors, error.slug)


def hidden_id(form: Mapping[str, str]) -> str:
    """Return the id in a hidden field; anything else becomes an id of nothing."""
    try:
        return str(UUID(form.get("id", "")))
    except ValueError:
        return str(UUID(int=0))


def form_key(form: Mapping[str, str]) -> str:
    """Return the idempotency key of a form, "" without one. A form that was corrected after Back has another."""
    return sha256(repr(sorted(form.items())).encode()).hexdigest() if form.get("key") else ""
