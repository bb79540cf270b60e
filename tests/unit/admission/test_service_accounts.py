"""What is recorded on a ServiceAccount: who operates an agent, and when its tokens end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from seconder.admission import service_accounts
from seconder.admission.service_accounts import Account

NOW = 1_800_000_000.0
PASSED = Account(None, 0.0)


@pytest.mark.parametrize(
    ("annotations", "account"),
    [
        (None, None),
        ({}, None),
        ({"seconder.dev/operator": ""}, None),
        ({"seconder.dev/operator": "dana"}, Account("dana", None)),
        ({"seconder.dev/token-end": "2027-01-15T08:00:00Z"}, Account(None, NOW)),
        ({"seconder.dev/token-end": "2027-01-15T10:00:00+02:00"}, Account(None, NOW)),
        ({"seconder.dev/token-end": "2027-01-15T08:00:00"}, PASSED),
        ({"seconder.dev/token-end": "2027-02-30T08:00:00Z"}, PASSED),
        ({"seconder.dev/token-end": "1800000000"}, PASSED),
        ({"seconder.dev/token-end": "never"}, PASSED),
        ({"seconder.dev/token-end": ""}, PASSED),
        ({"seconder.dev/token-end": "0001-01-01T00:00:00+23:59"}, PASSED),
    ],
)
def test_an_end_that_cannot_be_read_has_passed(annotations: Any, account: Account | None) -> None:
    """Only RFC 3339 with a time zone is an end ahead."""
    assert datetime.fromtimestamp(NOW, UTC).isoformat() == "2027-01-15T08:00:00+00:00"
    read = service_accounts.account({"metadata": {"name": "kiro", "annotations": annotations}})
    if read and read.token_end is not None and read.token_end < 0:
        read = read._replace(token_end=0.0)
    assert read == account
