"""The grammar of e-mail addresses, and the one form in which they are stored, compared and sent to.

An address in this form has an ASCII local part of atoms and dots, and its domain as A-labels (IDNA 2008). No program
that reads it as a header or in an SMTP command finds another address in it.
"""

from typing import Final
from unicodedata import normalize

import email_validator

from nextbuy.contracts.text import ISOLATES, trim

# Whether a domain receives mail is not a question of grammar: `.test` and `.local` do on private networks.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_INVALID: Final = "Enter a valid e-mail address, like ada@example.com."


def normal_email(given: str) -> str:
    """Return the normal form of an e-mail address: trimmed, in lower case, its domain as A-labels.

    Raises:
        ValueError: it is not an address, or its local part is quoted or not ASCII.
    """
    try:
        valid = email_validator.validate_email(
            trim(normalize("NFKC", given), ISOLATES), check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except ValueError:
        raise ValueError(_INVALID) from None
    if valid.ascii_email is None:
        raise ValueError(_INVALID)
    return valid.ascii_email.lower()
