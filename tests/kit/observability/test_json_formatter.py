"""Log records as JSON lines."""

import json
import logging

from nextbuy.kit.observability.telemetry import JsonFormatter


def test_extra_fields_are_part_of_the_line() -> None:
    logger = logging.getLogger("nextbuy.test")
    record = logger.makeRecord(
        "nextbuy.test",
        logging.ERROR,
        "file.py",
        1,
        "refund failed; retry scheduled",
        (),
        None,
        extra={"session_id": "s-1", "attempt": 2, "detail": "Bearer abcdefghijklmnop"},
    )

    line = json.loads(JsonFormatter().format(record))

    assert line["message"] == "refund failed; retry scheduled"
    assert (line["session_id"], line["attempt"]) == ("s-1", 2)
    assert "abcdefghijklmnop" not in line["detail"]
    assert "args" not in line
    assert "taskName" not in line
