"""The objects that give an agent an identity of its own, each made if it is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from seconder.api import constants
from seconder.client.api import Api, ApiError
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.undo import Undo

DEFAULT_ROLE: Final = "seconder-agent"
_RBAC: Final = "rbac.authorization.k8s.io"
_GRANTS: Final = ("roleRef", "subjects", "rules")


@dataclass(frozen=True, slots=True)
class Agent:
    """What is to be. ``end`` is the RFC 3339 time beyond which it gets no token."""

    namespace: str
    name: str
    operator: str
    end: str
    role: str


@dataclass(slots=True)
class AgentObjects:
    """Makes an agent's objects as the caller of ``api``; ``lines`` tells of each in kubectl's words."""

    api: Api
    undo: Undo
    lines: list[str] = field(default_factory=list)

    def create(self, agent: Agent) -> None:
        """Create all of them. Raises Problem, also where one is there that says something else, and ApiError."""
        self._namespace(agent)
        self._account(agent)
        for kind, document in _grants(agent):
            self._grant(kind, document)

    def _namespace(self, agent: Agent) -> None:
        if _find(self.api, f"/api/v1/namespaces/{agent.namespace}") is None:
            document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": agent.namespace}}
            self._create("/api/v1/namespaces", document, f"namespace/{agent.namespace}")

    def _account(self, agent: Agent) -> None:
        wanted = {constants.OPERATOR_KEY: agent.operator, constants.TOKEN_END_KEY: agent.end}
        what = f"serviceaccount/{agent.name}"
        accounts = f"/api/v1/namespaces/{agent.namespace}/serviceaccounts"
        path = f"{accounts}/{agent.name}"
        stored = _find(self.api, path)
        if stored is None:
            metadata = {"name": agent.name, "namespace": agent.namespace, "annotations": wanted}
            self._create(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, what)
            return
        metadata = stored["metadata"]
        before = metadata.get("annotations") or {}
        recorded = before.get(constants.OPERATOR_KEY)
        if recorded and recorded != agent.operator:
            # Its tokens stay valid: whoever operates it now could from then on approve what it does.
            delete = f"kubectl delete serviceaccount {agent.name} -n {agent.namespace}"
            raise Problem(
                f"serviceaccount {agent.namespace}/{agent.name} is operated by {recorded}: choose another name, or"
                f" delete it first, which ends its tokens: {delete}"
            )
        same = {"uid": metadata["uid"]}
        fixed = same | {"resourceVersion": metadata["resourceVersion"]}
        self.api.merge(path, {"metadata": fixed | {"annotations": wanted}})
        restored = {key: before.get(key) for key in wanted}
        self.undo.add(what, lambda: self.api.merge(path, {"metadata": same | {"annotations": restored}}))
        self.lines.append(f"{what} configured")

    def _grant(self, kind: str, document: dict[str, Any]) -> None:
        metadata = document["metadata"]
        place = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
        collection = f"/apis/{_RBAC}/v1/{place}{kind}s"
        what = f"{kind}.{_RBAC}/{metadata['name']}"
        stored = _find(self.api, f"{collection}/{metadata['name']}")
        if stored is None:
            try:
                self._create(collection, document, what)
            except ApiError as error:
                if error.status != 403 or "attempting to grant" not in str(error):
                    raise
                # The API server lists each right that is missing, over many lines.
                granted = f"ClusterRole {document['roleRef']['name']}" if kind == "clusterrolebinding" else what
                raise Problem(
                    f"you may not bind {granted}: it grants what you have not yourself; ask somebody who may"
                ) from None
        elif any(stored.get(part) != document.get(part) for part in _GRANTS):
            where = f" -n {metadata['namespace']}" if place else ""
            raise Problem(
                f"{what} is there already and grants something else; delete it first if it is not needed:"
                f" kubectl delete {kind} {metadata['name']}{where}"
            )
        else:
            self.lines.append(f"{what} unchanged")

    def _create(self, collection: str, document: Mapping[str, Any], what: str) -> None:
        metadata = self.api.create(collection, document)["metadata"]
        path = f"{collection}/{metadata['name']}"
        self.undo.add(what, lambda: self.api.delete(path, uid=metadata["uid"]))
        self.lines.append(f"{what} created")


def _find(api: Api, path: str) -> Any:
    try:
        return api.get(path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _grants(agent: Agent) -> list[tuple[str, dict[str, Any]]]:
    subjects = [{"kind": "ServiceAccount", "name": agent.name, "namespace": agent.namespace}]
    everywhere = {"name": f"seconder-agent:{agent.namespace}:{agent.name}"}
    own = {"name": f"seconder-agent-token:{agent.name}", "namespace": agent.namespace}
    renewal = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": [agent.name],
        "verbs": ["create"],
    }
    return [
        (
            "clusterrolebinding",
            _document("ClusterRoleBinding", everywhere, roleRef=_role("ClusterRole", agent.role), subjects=subjects),
        ),
        ("role", _document("Role", own, rules=[renewal])),
        ("rolebinding", _document("RoleBinding", own, roleRef=_role("Role", own["name"]), subjects=subjects)),
    ]


def _document(kind: str, metadata: dict[str, str], **content: Any) -> dict[str, Any]:
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata} | content


def _role(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": _RBAC, "kind": kind, "name": name}
