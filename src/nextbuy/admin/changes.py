"""The SQL that detects changes for admins: of notifications, search entries and acts."""

from typing import Final

from nextbuy.kit.storage.changes import SINCE, changes_query

_TABLES: Final = ("notifications", "search_entries", "operator_acts")
CHANGES: Final = changes_query(
    " UNION ALL ".join(
        f"(SELECT NULL::uuid AS account_id, true AS all_accounts FROM {table} WHERE {SINCE} LIMIT 1)"  # noqa: S608
        for table in _TABLES
    )
)
"""A query for `read_changes`: whether anything that admins see has changed."""
