"""The files that kube-apiserver reads by itself know the same names as the code."""

from pathlib import Path
from typing import Any

import yaml

from seconder.admission.powers import POWERS, WRITES, Place
from seconder.api import constants

MANIFESTS = Path(__file__).parents[2] / "manifests"


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text()))


def _agents(name: str) -> str:
    (condition,) = _documents(name)[0]["spec"]["matchConditions"]
    return str(condition["expression"])


def test_each_file_takes_the_same_callers_for_agents() -> None:
    """By the tags that a policy without tags of its own has."""
    static, applied = _agents("static-admission/policies/seconder.yaml"), _agents("admission-policy.yaml")
    assert static == applied
    (first, *_) = _documents("static-admission/authorization-configuration.yaml")[0]["authorizers"]
    asked = first["webhook"]["matchConditions"][0]["expression"]
    # A review has the caller below userInfo, where the authorizer has it at the top.
    assert asked == static.replace("userInfo.username", "user").replace("userInfo.", "")
    for tag in (constants.AGENT_GROUP, f"system:serviceaccount:{constants.AGENT_NAMESPACE}:", constants.AGENT_KEY):
        assert f"'{tag}'" in static


def test_the_static_policy_guards_the_names_of_the_code() -> None:
    """Its own API group, and the namespace that it is installed in by default."""
    spec = _documents("static-admission/policies/seconder.yaml")[0]["spec"]
    variables = {each["name"]: each["expression"] for each in spec["variables"]}
    assert variables["own"] == f"'{constants.DEFAULT_NAMESPACE}'"
    assert any(each["message"].endswith(f"namespace {constants.DEFAULT_NAMESPACE}") for each in spec["validations"])
    assert any(f"'{constants.DOMAIN}'" in each["expression"] for each in spec["validations"])


def test_every_static_refusal_is_forbidden_in_one_line() -> None:
    """The default would be 422 Invalid, which clients take for their own mistake."""
    for name in ("static-admission/policies/seconder.yaml", "admission-policy.yaml"):
        policy, binding = _documents(name)
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
        for validation in policy["spec"]["validations"]:
            assert validation["reason"] == "Forbidden"
            assert "\n" not in validation["message"]


def test_the_static_policy_refuses_every_power_that_agents_may_not_use() -> None:
    """What no review decides is refused there too, while there is no webhook: the list of powers is the only one."""
    spec = _documents("static-admission/policies/seconder.yaml")[0]["spec"]
    said = {validation["message"] for validation in spec["validations"]}
    seen = [power for power in POWERS if power.denied and not power.verbs.isdisjoint(WRITES)]
    elsewhere = f"agents may not change or enter namespace {constants.DEFAULT_NAMESPACE}"
    for power in seen:
        own = power.places == (Place.INSTALLATION,)
        assert (elsewhere if own else f"agents may not {power.what}") in said
