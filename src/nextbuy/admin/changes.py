"""The SQL that finds out that something changed that admins see: notifications, search entries and acts."""

from typing import Final

from nextbuy.kit.storage.changes import SINCE, changes_query

_TABLES: Final = ("notifications", "search_entries", "operator_acts")
CHANGES: Final = changes_query(
    " UNION ALL ".join(
        f"(SELECT NULL::uuid AS account_id, true AS all_accounts FROM {table} WHERE {SINCE} LIMIT 1)"  # noqa: S608
        for table in _TABLES
    )
)
"""Finds whether anything changed; see `read_changes`."""
