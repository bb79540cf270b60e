"""Pods as the API server gives them; what reviews hold is read in the rule on pods' identities."""

import msgspec
import pytest

from seconder.admission import pod_templates


def test_a_pod_is_read_from_what_the_api_server_gives() -> None:
    """Without a name it runs as ``default``; what has another shape is an error and no answer."""
    assert pod_templates.account_of({"spec": {"serviceAccountName": "worker"}}) == "worker"
    assert pod_templates.account_of({"spec": {}}) == "default"
    with pytest.raises(msgspec.ValidationError):
        pod_templates.account_of({})
