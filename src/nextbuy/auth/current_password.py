"""The current password, which a caller who is signed in must enter; guesses are throttled per account."""

from msgspec import Struct

from nextbuy.auth import login_throttling as throttling
from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.login_throttling import Subjects
from nextbuy.auth.model import SessionEnded, TooManyAttempts, WrongPassword
from nextbuy.contracts.auth import Account


class VerifiedPassword(Struct, frozen=True):
    """The hash that the current password was verified against, and the subject of failed attempts to clear."""

    hash: str
    subjects: Subjects


async def require_password(deps: Deps, account: Account, password: str) -> VerifiedPassword:
    """Verify the current password of an account.

    Raises:
        Forbidden: it is wrong (`wrong-password`).
        TooManyRequests: too many were wrong (`too-many-attempts`).
    """
    subjects = throttling.password_subjects(deps, account)
    await throttling.require_attempt(deps, subjects, refusal=TooManyAttempts)
    stored = await store.password_hash(deps.database, account.id)
    if stored is None:
        raise SessionEnded
    if not await deps.passwords.verify(stored, password):
        await throttling.count_failure(deps, subjects, account, refusal=TooManyAttempts)
        raise WrongPassword(field="current_password")
    return VerifiedPassword(stored, subjects)
