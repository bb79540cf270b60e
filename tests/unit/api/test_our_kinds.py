"""Whatever guards one of our kinds guards all of them, and whoever reads approvers reads their authorities."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.builders import AGENT, document, request, state, target
from tests.support.resolving import decide

from seconder.admission import powers
from seconder.admission.request import Operation
from seconder.api import constants, crds
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, GroupResource
from seconder.client import guard_owners

_REPOSITORY = Path(__file__).parents[3]
_MANIFESTS = [_REPOSITORY / "manifests" / "install.yaml", *sorted((_REPOSITORY / "manifests" / "roles").glob("*.yaml"))]


def _roles() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in _MANIFESTS:
        for made in yaml.safe_load_all(path.read_text()):
            if made and made["kind"] in {"ClusterRole", "Role"}:
                yield from ((f"{made['metadata']['name']}", rule) for rule in made.get("rules") or ())


def test_each_kind_has_a_definition() -> None:
    """By the list that all else is derived from."""
    made = crds.all_of_them()
    assert {plural: crd["spec"]["names"]["kind"] for plural, crd in made.items()} == dict(constants.KINDS)
    assert set(constants.WHO_APPROVES) < set(constants.KINDS)


@pytest.mark.parametrize("plural", constants.KINDS)
def test_whatever_guards_one_of_our_kinds_guards_all(plural: str) -> None:
    """Agents write none, not by a subresource, nor its definition; and hold no right to."""
    for on in (target(GroupResource(constants.DOMAIN, plural), "x"), target(DEFINITIONS, f"{plural}.seconder.dev")):
        for operation in Operation:
            for more in ({}, {"subResource": "status"}):
                asked = request(operation, on, AGENT, object=document(on), oldObject=document(on), **more)
                assert decide(asked, state()).reason is Reason.PROTECTED_CONFIGURATION
    for resource in (plural, f"{plural}/status"):
        assert any(power.resource == resource and power.group == constants.DOMAIN for power in powers.POWERS)
    assert any(power.name == f"{plural}.{constants.DOMAIN}" for power in powers.POWERS)


def test_the_owners_of_who_approves_are_followed() -> None:
    """What decides who approves goes with its owner, if it has one."""
    followed = {kind.resource.resource for kind in guard_owners._KINDS if kind.resource.group == constants.DOMAIN}
    assert followed >= {"protectionpolicies", *constants.WHO_APPROVES}


def test_every_role_treats_approvers_and_authorities_alike() -> None:
    """Of the chart, of people and of agents."""
    seen = 0
    for name, rule in _roles():
        for subresource in ("", "/status"):
            named = {f"{plural}{subresource}" in rule.get("resources", ()) for plural in constants.WHO_APPROVES}
            if constants.DOMAIN in rule.get("apiGroups", ()):
                assert len(named) == 1, f"{name}: {rule}"
                seen += True in named
    assert seen >= 6


def test_no_template_of_the_chart_forgets_an_authority() -> None:
    """Those that are off by default, too."""
    seen = 0
    for path in (_REPOSITORY / "charts" / "seconder" / "templates").glob("*.yaml"):
        for line in path.read_text().splitlines():
            named = [plural for plural in constants.WHO_APPROVES if re.search(rf"resources: .*\b{plural}\b", line)]
            assert named in ([], list(constants.WHO_APPROVES)), f"{path.name}: {line}"
            seen += bool(named)
    assert seen >= 4
