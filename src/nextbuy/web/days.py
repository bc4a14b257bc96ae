"""Days of figures."""

from datetime import date, timedelta

from nextbuy.kit.clock import utc_now


def last_days(number: int) -> list[date]:
    """Return the last days (UTC) up to today, the oldest first."""
    today = utc_now().date()
    return [today - timedelta(days=ago) for ago in reversed(range(number))]
