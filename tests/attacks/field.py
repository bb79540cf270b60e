"""Where an attack is played: a namespace of its own, the agent, an administrator, and what the guard protects there."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from tests.attacks import documents
from tests.attacks.callers import Answer, Caller

_POLICIES: Final = "/apis/seconder.dev/v1alpha1/protectionpolicies"
_SOON: Final = 45.0
_KNOWN: Final = 15.0
_POLL: Final = 0.1
_OF_AUTHORIZERS: Final = (" cannot ", "is attempting to grant", "unsafe-delete-ignore-read-errors")


class GotThrough(Exception):
    """The guard did not hold; the message says what happened."""


class Untried(Exception):
    """The attack could not be played here; the message says why."""


class Kind(NamedTuple):
    """A kind of object: API group, plural, and whether it is in namespaces. ``version`` is the group's own."""

    group: str
    plural: str
    version: str = "v1"
    namespaced: bool = True

    def path(self, place: str, name: str = "") -> str:
        """Where the objects of a namespace are, or one of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{place}" if self.namespaced else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


NAMESPACES: Final = Kind("", "namespaces", namespaced=False)
CONFIG_MAPS: Final = Kind("", "configmaps")
PODS: Final = Kind("", "pods")
RECORDS: Final = "/apis/seconder.dev/v1alpha1/changerequests"
NODES: Final = Kind("", "nodes", namespaced=False)
CLAIMS: Final = Kind("", "persistentvolumeclaims")
VOLUMES: Final = Kind("", "persistentvolumes", namespaced=False)
SERVICES: Final = Kind("", "services")
INGRESSES: Final = Kind("networking.k8s.io", "ingresses")
ATTACHMENTS: Final = Kind("storage.k8s.io", "volumeattachments", namespaced=False)
STORAGE_CLASSES: Final = Kind("storage.k8s.io", "storageclasses", namespaced=False)
PRIORITIES: Final = Kind("scheduling.k8s.io", "priorityclasses", namespaced=False)
SECRETS: Final = Kind("", "secrets")
ACCOUNTS: Final = Kind("", "serviceaccounts")
DEPLOYMENTS: Final = Kind("apps", "deployments")
REPLICA_SETS: Final = Kind("apps", "replicasets")
REVISIONS: Final = Kind("apps", "controllerrevisions")
STATEFUL_SETS: Final = Kind("apps", "statefulsets")
JOBS: Final = Kind("batch", "jobs")
CRON_JOBS: Final = Kind("batch", "cronjobs")
DAEMON_SETS: Final = Kind("apps", "daemonsets")
AUTOSCALERS: Final = Kind("autoscaling", "horizontalpodautoscalers", "v2")
DEFINITIONS: Final = Kind("apiextensions.k8s.io", "customresourcedefinitions", namespaced=False)
ROLES: Final = Kind("rbac.authorization.k8s.io", "roles")
CLUSTER_ROLES: Final = Kind("rbac.authorization.k8s.io", "clusterroles", namespaced=False)
CLUSTER_BINDINGS: Final = Kind("rbac.authorization.k8s.io", "clusterrolebindings", namespaced=False)
BINDINGS: Final = Kind("rbac.authorization.k8s.io", "rolebindings")


def layer_of(answer: Answer) -> str:
    """What refused a request, by the words of ``Layer``; empty where the answer is no refusal."""
    words = answer.message
    if "failed calling webhook" in words:
        return "failing webhook"
    if "denied the request" in words and "admission webhook" in words:
        return "webhook"
    if "ValidatingAdmissionPolicy" in words:
        return "admission policy"
    if answer.code == 403 and any(part in words for part in _OF_AUTHORIZERS):
        return "authorizer"
    return "API server" if answer.code in {400, 401, 403} else ""


class Field:
    """One attack's place. ``place`` is its namespace, which is made when the field is entered.

    ``refused_by`` are the layers that said no, in order. What is made through ``make`` outside the namespace is
    removed when the field is left, whatever happened; so are policies.
    """

    def __init__(self, admin: Caller, agent: Caller, place: str) -> None:
        self.admin: Final = admin
        self.agent: Final = agent
        self.place: Final = place
        self.refused_by: Final[list[str]] = []
        self._undo: Final = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make the namespace. Raises Untried."""
        try:
            self.namespace(self.place)
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Take away all that was made, and what was recorded of it: one agent has room for so many records."""
        try:
            self._forget()
        finally:
            self._undo.close()

    def _forget(self) -> None:
        for each in self.admin("GET", RECORDS).document.get("items") or ():
            about = each["spec"]["object"]
            if self.place in (about.get("namespace"), about["name"]):
                self.admin("DELETE", f"{RECORDS}/{each['metadata']['name']}")

    # What is there before the attack

    def namespace(self, name: str) -> dict[str, Any]:
        """A namespace of the attack's own."""
        return self.make(NAMESPACES, {"metadata": {"name": name}})

    def make(self, kind: Kind, document: Mapping[str, Any], place: str = "") -> dict[str, Any]:
        """Make an object as an administrator; give it as it is stored. Raises Untried."""
        place = place or self.place
        answer = self.admin("POST", kind.path(place), document)
        # A definition that was just made is not served at once, nor is a namespace's ServiceAccount there.
        deadline = time.monotonic() + _SOON
        while (
            answer.code in {404, 403, 429}
            and "denied the request" not in answer.message
            and time.monotonic() < deadline
        ):
            time.sleep(_POLL)
            answer = self.admin("POST", kind.path(place), document)
        if not answer.done:
            raise Untried(f"{kind.plural} cannot be made here: {answer.first_line}")
        stored = dict(answer.document)
        if not kind.namespaced or place != self.place:
            self.later_removed(kind.path(place, stored["metadata"]["name"]))
        return stored

    def later_removed(self, path: str) -> None:
        """Remove an object when the field is left, whoever made it, whatever finalizers it has."""
        self._undo.callback(self._remove, path)

    def _remove(self, path: str) -> None:
        answer = self.admin("DELETE", path)
        if answer.document.get("metadata", {}).get("finalizers"):
            self.admin("PATCH", path, {"metadata": {"finalizers": None}})

    def defined(self, kind: Kind, named: str) -> str:
        """The path of objects of a custom kind, which is defined here where nobody has. Raises Untried."""
        path = kind.path(self.place)
        if not self.admin("GET", path).done:
            scope = "Namespaced" if kind.namespaced else "Cluster"
            definition = documents.definition(kind.plural, kind.group, named, scope)
            definition["spec"]["versions"][0]["name"] = kind.version
            self.make(DEFINITIONS, definition)
            # Before their definition, whose finalizer goes with it: what is left could be read by no other definition.
            self._undo.callback(self.admin, "DELETE", path)
            self.eventually(lambda: self.admin("GET", path).done, f"{kind.plural} are served")
        return path

    def deployment(self, name: str = "checkout", **metadata: Any) -> dict[str, Any]:
        """A Deployment that the guard protects. Raises Untried where it does not."""
        stored = self.make(DEPLOYMENTS, documents.deployment(name, **metadata))
        self.protect(DEPLOYMENTS, DEPLOYMENTS.path(self.place, name), NAMESPACES)
        return stored

    def protect(self, kind: Kind, control: str, *others: Kind, place: str = "", actions: Sequence[str] = ()) -> None:
        """See that the agent may not delete the object at ``control``, by Seconder's policy if nothing else says so.

        The policy names these kinds in the attack's namespace, or in ``place``, and asks about these actions, or all.
        Raises Untried where the guard is another one, and the agent may.
        """
        if self._is_refused(control):
            return
        places = [place or self.place] if kind.namespaced or kind == NAMESPACES else []
        self._policy((kind, *others), places, actions)
        self.eventually(lambda: self._is_refused(control), f"{kind.plural} are protected")

    def protect_places(self, places: Sequence[str]) -> None:
        """Protect some kinds in further namespaces, where the guard is Seconder. Raises Untried."""
        self._policy((NAMESPACES, DEPLOYMENTS, STATEFUL_SETS, Kind("apps", "daemonsets"), CLAIMS), places)

    def protect_all(self) -> None:
        """Protect all kinds by a wildcard in the attack's namespace. Raises Untried where the guard is not Seconder."""
        self._policy((Kind("*", "*"),), [self.place])
        made = self.make(CONFIG_MAPS, {"metadata": {"name": "of-any-kind"}})
        control = CONFIG_MAPS.path(self.place, made["metadata"]["name"])
        self.eventually(lambda: self._is_refused(control), "all kinds are protected")

    def _policy(self, kinds: Sequence[Kind], places: Sequence[str], actions: Sequence[str] = ()) -> None:
        named = [{"group": each.group, "resources": [each.plural]} for each in kinds]
        name = f"{self.place}-{kinds[0].plural}".replace("*", "all")[:60]
        spec: dict[str, Any] = {"resources": named, "namespaces": list(places)}
        if actions:
            spec["actions"] = list(actions)
        head = {"apiVersion": "seconder.dev/v1alpha1", "kind": "ProtectionPolicy", "metadata": {"name": name}}
        made = self.admin("POST", _POLICIES, {**head, "spec": spec})
        if made.code == 404:
            what = f"the guard lets the agent delete {kinds[0].plural}, and it is not Seconder: protect them first"
            raise Untried(what)
        if made.code != 409 and not made.done:
            raise Untried(f"no policy can be made: {made.first_line}")
        self.later_removed(f"{_POLICIES}/{name}")

    def _is_refused(self, path: str, options: Mapping[str, Any] | None = None) -> bool:
        answer = self.agent("DELETE", f"{path}?dryRun=All", {**(options or {}), "dryRun": ["All"]})
        # What the guard does not know at the moment it refuses, protected or not.
        return layer_of(answer) not in {"", "failing webhook"} and "InternalError" not in answer.message

    # The attack

    def refused(self, method: str, path: str, document: Any = None, kind: str = "") -> Answer:
        """Send the agent's request. Raises GotThrough where it is done, Untried where it cannot be."""
        answer = self.agent(method, path, document, kind)
        if answer.done:
            raise GotThrough(f"{method} {path} was done")
        layer = layer_of(answer)
        if not layer:
            raise Untried(f"{method} {path}: {answer.first_line}")
        self.refused_by.append(layer)
        return answer

    def refused_to_delete(self, path: str, **options: Any) -> Answer:
        """Have the agent delete an object, once the guard knows of what there is, if it ever does. Raises GotThrough.

        What has just been defined, or given an owner, is known a moment later. ``options``: of the deletion.
        """
        end = time.monotonic() + _KNOWN
        while not self._is_refused(path, options) and time.monotonic() < end:
            time.sleep(_POLL)
        return self.refused("DELETE", path, options or None)

    def done(self, method: str, path: str, document: Any = None, kind: str = "") -> Answer:
        """Send an agent's request that is ordinary work, and that the attack rests on. Raises Untried."""
        answer = self.agent(method, path, document, kind)
        if not answer.done:
            layer = layer_of(answer)
            if layer:
                self.refused_by.append(layer)
            raise Untried(f"{method} {path}: {answer.first_line}")
        return answer

    def free(self, method: str, path: str, document: Any = None, kind: str = "") -> Answer:
        """Send a person's request, which nothing that agents do may refuse. Raises GotThrough."""
        answer = self.admin(method, path, document, kind)
        if not answer.done:
            raise GotThrough(f"a person's {method} {path} is refused: {answer.first_line}")
        return answer

    def lasts(self, path: str, seconds: float = 0.0) -> dict[str, Any]:
        """See that an object is there and not under deletion, now and for ``seconds``. Raises GotThrough."""
        end = time.monotonic() + seconds
        while True:
            answer = self.admin("GET", path)
            if answer.code == 404:
                raise GotThrough(f"{path} is gone")
            if answer.document.get("metadata", {}).get("deletionTimestamp"):
                raise GotThrough(f"{path} is being deleted")
            if time.monotonic() >= end:
                return dict(answer.document)
            time.sleep(_POLL)

    def eventually(self, holds: Callable[[], object], what: str, seconds: float = _SOON) -> None:
        """Wait for something. Raises Untried after ``seconds``."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= end:
                raise Untried(f"not within {seconds:.0f} s: {what}")
            time.sleep(_POLL)

    def account(self, name: str = "default", place: str = "") -> str:
        """Wait for a ServiceAccount, without which no pod is made; give its path. Raises Untried."""
        path = ACCOUNTS.path(place or self.place, name)
        self.eventually(lambda: self.admin("GET", path).done, "the ServiceAccount is there")
        return path

    def lost(self, what: str) -> None:
        """Say that the guard did not hold. Raises GotThrough."""
        raise GotThrough(what)

    def untried(self, why: str) -> Untried:
        """Why the attack cannot be played, to be raised."""
        return Untried(why)

    def free_work(self) -> None:
        """Wait until an agent's ordinary work is done again, after a new policy. Raises Untried."""
        labels = {"app": "ordinary"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": documents.CONTAINERS}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        path = f"{REPLICA_SETS.path(self.place)}?dryRun=All"
        made = {"metadata": {"name": "ordinary"}, "spec": spec}
        # Owned by nothing, and owning nothing, as far as that is known.
        nothing = f"{CONFIG_MAPS.path(self.place, 'kube-root-ca.crt')}?dryRun=All"

        def works() -> bool:
            return self.agent("POST", path, made).done and self.agent("DELETE", nothing, {"dryRun": ["All"]}).done

        self.eventually(works, "the agent works on")

    # What is there to know

    def agents_name(self) -> str:
        """The agent's user name. Raises Untried."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.agent("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", asked)
        if not answer.done:
            raise Untried(f"nobody tells who the agent is: {answer.first_line}")
        return str(answer.document["status"]["userInfo"]["username"])

    def agents_account(self) -> tuple[str, str]:
        """The agent's ServiceAccount: its namespace and its name. Raises Untried where it is another user."""
        words = self.agents_name().split(":")
        if words[:2] != ["system", "serviceaccount"] or len(words) != 4:
            raise Untried("the agent is no ServiceAccount")
        return words[2], words[3]

    def seconders_own(self) -> None:
        """Raise Untried where the guard is another one, of which this attack has nothing to say."""
        if not self.admin("GET", _POLICIES).done:
            raise Untried("it is about Seconder, which is not here")

    def refused_as(self, group: str, method: str, path: str) -> None:
        """As ``refused``, where the agent says that it is somebody of another group."""
        answer = self.agent.as_somebody(group, method, path)
        if answer.done:
            raise GotThrough(f"{method} {path} was done as one of {group}")
        self.refused_by.append(layer_of(answer) or "API server")
