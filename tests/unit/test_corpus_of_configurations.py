"""The frozen behaviour of the operator: each set of policies of the corpus compiles to what it did when recorded."""

from typing import Any

import pytest
from tests.corpus import driver, stored
from tests.corpus.cluster import Cluster

_DISCOVERY = stored.discovery()


@pytest.mark.parametrize(("name", "kept"), [pytest.param(*each, id=each[0]) for each in stored.configurations()])
def test_recorded_policies_compile_to_what_they_did(name: str, kept: dict[str, Any]) -> None:
    """To the same webhook configuration, and to the same status of each."""
    cluster = Cluster(kept["cluster"], _DISCOVERY)
    assert driver.compiled(kept["policies"], cluster, kept["options"]) == kept["expected"]
