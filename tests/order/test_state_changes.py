"""State changes and events are one function: no other code of the order service can change a session's state."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nextbuy.order

ORDER = Path(nextbuy.order.__file__).parent
_STATE_CHANGE = re.compile(
    r"INSERT\s+INTO\s+(sessions\b|unmatched_payments\b|\{|\?)"
    r"|UPDATE\s+(ONLY\s+)?sessions\b(?:(?!\bWHERE\b).)*\bstatus\s*="
    r"|UPDATE\s+(ONLY\s+)?unmatched_payments\b(?:(?!\bWHERE\b).)*\brefund_id\s*=",
    re.IGNORECASE | re.DOTALL,
)
STATEMENTS = {"store/transitions.py", "store/open_steps.py", "store/unmatched_payments.py"}
"""The files with statements that change a state."""
RESTORATION = "store/missing_rows.py"
"""The file with statements that insert rows whose events are in the log already."""
RESERVED = {"sql", "insert", "mark_refunded", "mark_refunded_by_provider", "mark_released"}
"""The attributes by which such a statement is run. Only `state_changes.py` may use them."""
RESTORING = {"insert_missing", "insert_missing_payments"}
"""The functions of a restore. Only `restoration.py` may use them."""


def violations(name: str, code: str) -> list[str]:
    """Return the places of a file that change a state beside `state_changes.py`."""
    return list(_violations(name, ast.parse(code)))


def _violations(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            if name not in {*STATEMENTS, RESTORATION} and _STATE_CHANGE.search(_text(node)):
                yield f"{name}:{node.lineno}: changes a state in SQL"
        elif isinstance(node, ast.Attribute) and node.attr in RESTORING and name != "restoration.py":
            yield f"{name}:{node.lineno}: inserts rows without events: .{node.attr}"
        elif isinstance(node, ast.Attribute) and node.attr in RESERVED and name != "state_changes.py":
            yield f"{name}:{node.lineno}: runs a statement of a transition: .{node.attr}"
        elif isinstance(node, ast.ImportFrom) and name != "state_changes.py":
            for alias in node.names:
                if alias.name in RESERVED:
                    yield f"{name}:{node.lineno}: imports {alias.name}"


def _text(node: ast.AST) -> str:
    """Return the text of a literal; what an f-string inserts is a `?`."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "?"


def test_only_advance_changes_the_state_of_sessions_and_payments() -> None:
    files = sorted(ORDER.rglob("*.py"))

    found = [problem for path in files for problem in violations(path.relative_to(ORDER).as_posix(), path.read_text())]

    assert found == []


def test_statements_of_transitions_are_recognised() -> None:
    for name in (*STATEMENTS, RESTORATION):
        nodes = ast.walk(ast.parse((ORDER / name).read_text()))
        literals = [node for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr)]
        assert any(_STATE_CHANGE.search(_text(literal)) for literal in literals), name


@pytest.mark.parametrize(
    "code",
    [
        "await tx.execute(\"UPDATE sessions SET status = 'paid' WHERE id = $1\", session_id)",
        "await tx.execute(\"update sessions as s set reason = $2, status = 'paid' from due\")",
        'await tx.execute(f"""WITH x AS (UPDATE sessions\n SET a = {b},\n status = $1 WHERE id = $2) SELECT 1""")',
        'await tx.execute("INSERT INTO sessions (id) VALUES ($1)", session_id)',
        'await tx.execute("UPDATE unmatched_payments SET refund_id = $1")',
        "await tx.fetchrow(transitions.refunded(session_id, None).sql)",
        "step = transitions.opened(session_id, payment); await tx.fetchrow(step.sql, *step.values)",
        "await unmatched_payments.insert(tx, payment)",
        "await unmatched_payments.mark_refunded(tx, payment, refund_id)",
        'await tx.execute("INSERT INTO {table} (id) VALUES ($1)".format(table=table), session_id)',
        'await tx.execute(f"INSERT INTO {table} (id) VALUES ($1)", session_id)',
        "from nextbuy.order.store.unmatched_payments import mark_refunded",
        "await sessions.mark_released(tx, session)",
        "added = await missing_rows.insert_missing(tx, sessions, stored)",
    ],
)
def test_planted_state_change_is_found(code: str) -> None:
    indented = "\n".join(f"    {line}" for line in code.splitlines())
    assert violations("payment_webhook.py", f"async def planted():\n{indented}\n")


@pytest.mark.parametrize(
    "code",
    [
        'await tx.execute("UPDATE sessions SET release_due_at = NULL WHERE status = $1")',
        'await tx.fetch("SELECT status FROM sessions")',
        "await advance(tx, transitions.sold_out(session))",
    ],
)
def test_other_statements_are_allowed(code: str) -> None:
    assert violations("payment_webhook.py", f"async def allowed():\n    {code}\n") == []
