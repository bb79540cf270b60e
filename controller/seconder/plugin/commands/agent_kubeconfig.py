"""``agent-kubeconfig``: an identity of its own for an agent, and a kubeconfig that leads to it."""

import argparse
import base64
import hashlib
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from seconder.admission import principal
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.principal import identity_tagged
from seconder.admission.request import Caller
from seconder.api import constants, moments, policy_documents
from seconder.api.duration import Duration
from seconder.api.policy import DEFAULT_TAGS, AgentTags
from seconder.api.reasons import Reason
from seconder.client import client_config
from seconder.client.api import Api, ApiError
from seconder.client.credentials import Credentials
from seconder.plugin.agents import agent_credentials, own_credential, private_files
from seconder.plugin.agents.agent_credentials import State
from seconder.plugin.agents.agent_objects import DEFAULT_ROLE, Agent, AgentObjects
from seconder.plugin.approving import cluster_reads
from seconder.plugin.terminal import connection
from seconder.plugin.terminal.callers import who_am_i
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.undo import Undo

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_VALID: Final = "8h"
_MAX_VALID_SECONDS: Final = 30 * 24 * 3600
_MAX_PLAIN_SECONDS: Final = 24 * 3600
_MAX_OPERATOR: Final = 253
_PROOF_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1
_SHEDDING: Final = (
    ("impersonate", "", "users"),
    ("impersonate", "", "serviceaccounts"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
)


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "agent-kubeconfig",
        "Give an agent a ServiceAccount of its own, and a kubeconfig with a token that renews itself until an end.",
        epilog="Run again, it sets a new end. Durations are written like 30m, 8h or 1h30m.",
    )
    command.add_argument("name", metavar="NAME", help="what the agent is called; the ServiceAccount's name")
    command.add_argument("--operator", metavar="USER", help="who sets it going, and so never approves for it (you)")
    command.add_argument(
        "--clusterrole", metavar="NAME", default=DEFAULT_ROLE, help="what it may do in the cluster (%(default)s)"
    )
    command.add_argument("--valid", metavar="TIME", help=f"until when it has access, from now ({_VALID})")
    command.add_argument("--ttl", metavar="TIME", default="1h", help="how long each of its tokens lives (%(default)s)")
    command.add_argument(
        "--plain-token",
        action="store_true",
        help="put the token itself into the kubeconfig, for where this plugin is not: it ends with --ttl, not renewed",
    )
    command.add_argument(
        "--out", metavar="FILE", help="the kubeconfig, its token beside it (NAME.kubeconfig; - is standard output)"
    )
    command.add_argument("--force", action="store_true", help="write over files that are not this agent's")
    command.add_argument("--agent-server", metavar="URL", help="where the agent finds the API server (where you do)")
    command.add_argument(
        "--agent-certificate-authority",
        metavar="FILE",
        help="with --agent-server: who signed its certificate (the cluster's own authority)",
    )
    connection.add_flags(command, namespace=False)
    command.add_argument(
        "-n", "--namespace", metavar="NAME", default=constants.AGENT_NAMESPACE, help="an agents' one (%(default)s)"
    )
    return command


def run(arguments: argparse.Namespace) -> int:
    """Make the agent's objects, prove what they are worth, and write the kubeconfig."""
    terms = _terms(arguments)
    connected = connection.connect(arguments)
    api = connected.api
    reached = _reached(arguments, connected)
    out = None if arguments.out == "-" else Path(arguments.out or f"{terms.name}.kubeconfig")
    token_file = None if arguments.plain_token else _token_file(out, reached, terms)
    _check_files(out, token_file, f"{terms.namespace}/{terms.name}", force=arguments.force)

    me = who_am_i(api)
    known = _known_tags(api, me)
    if terms.namespace not in known.service_account_namespaces:
        listed = ", ".join(sorted(known.service_account_namespaces))
        raise Problem(
            f"ServiceAccounts in {terms.namespace} are no agents under this cluster's policies; -n is one of: {listed}"
        )
    operator = _operator(arguments.operator, me, terms, known)
    operator, unmatched = _as_approvers_know(api, operator, me)
    _check_role(api, arguments.clusterrole)

    end = _now(api) + terms.valid
    agent = Agent(terms.namespace, terms.name, operator, agent_credentials.timestamp(end), arguments.clusterrole)
    with Undo() as undo:
        objects = AgentObjects(api, undo)
        objects.create(agent)
        state = _state(api, reached, terms, end)
        theirs = Api(state.credentials(), user_agent=agent_credentials.PROGRAM, connections=1)
        _prove(theirs, terms.user, known, state)
        shedding = _shedding(theirs)
        text = _text(state, token_file)
        if token_file is not None:
            _replace(undo, token_file, lambda: agent_credentials.write(token_file, state))
        if out is not None:
            _replace(undo, out, lambda: private_files.write(out, text.encode()))

    _warn_of_role(agent, terms, shedding)
    _warn_of_operator(operator, unmatched, somebody_else=arguments.operator not in {None, me.username})
    _warn_of_way(reached)
    if token_file is not None and shutil.which(agent_credentials.PROGRAM) is None:
        _warn(f"{agent_credentials.PROGRAM} is not on PATH, where kubectl will look for it")
    until = agent.end if token_file else f"{agent_credentials.timestamp(state.expires)}; its token is not renewed"
    told = f"agent {terms.name}, operated by {operator}, has access until {until}"
    if out is None:
        print(*objects.lines, told, sep="\n", file=sys.stderr)
        print(text, end="")
    else:
        print(*objects.lines, told, f"kubectl --kubeconfig {out} get pods", sep="\n")
    return 0


@dataclass(frozen=True, slots=True)
class Terms:
    """Whose identity it is, and for how many seconds: ``valid`` in all, ``lifetime`` for each token."""

    name: str
    namespace: str
    valid: int
    lifetime: int

    @property
    def user(self) -> str:
        """The user name of the ServiceAccount."""
        return principal.service_account_user(self.namespace, self.name)


def _terms(arguments: argparse.Namespace) -> Terms:
    """Check what needs no cluster. Raises Problem."""
    name, namespace, plain = arguments.name, arguments.namespace, arguments.plain_token
    if not _NAME.fullmatch(name):
        raise Problem(f"{name!r} cannot name a ServiceAccount: use a-z, 0-9, - and . and begin and end with a-z or 0-9")
    if not _NAMESPACE.fullmatch(namespace):
        raise Problem(f"{namespace!r} cannot name a namespace: see -n")
    if not (0 < len(arguments.clusterrole) <= 253 and re.fullmatch(r"[^/%\s]+", arguments.clusterrole)):
        raise Problem(f"{arguments.clusterrole!r} cannot name a ClusterRole: see kubectl get clusterroles")
    if arguments.agent_certificate_authority and not arguments.agent_server:
        raise Problem("--agent-certificate-authority goes with --agent-server")
    lifetime = _seconds("--ttl", arguments.ttl)
    if lifetime < agent_credentials.MIN_SECONDS:
        raise Problem(f"--ttl {arguments.ttl} is too short: the API server makes no token for less than 10m")
    if plain:
        if arguments.valid:
            raise Problem(
                "--valid is for tokens that renew themselves: with --plain-token, --ttl says how long it lives"
            )
        if lifetime > _MAX_PLAIN_SECONDS:
            raise Problem(
                f"--ttl {arguments.ttl} is too long for a token that lies open: at most {_MAX_PLAIN_SECONDS // 3600}h"
            )
        return Terms(name, namespace, lifetime, lifetime)
    valid_text = arguments.valid or _VALID
    valid = _seconds("--valid", valid_text)
    if valid < lifetime:
        raise Problem(f"--valid {valid_text} is shorter than --ttl {arguments.ttl}: lower --ttl too, to at least 10m")
    if valid > _MAX_VALID_SECONDS:
        raise Problem(f"--valid {valid_text} is too long: at most {_MAX_VALID_SECONDS // 3600}h; run it again then")
    return Terms(name, namespace, valid, lifetime)


def _reached(arguments: argparse.Namespace, connected: Connection) -> Credentials:
    """How the agent reaches the API server: as its person does, or as the flags say. Raises Problem, NoCredentials."""
    found = connected.credentials
    if arguments.agent_server:
        found = client_config.told(
            {
                "server": arguments.agent_server,
                "certificate-authority": arguments.agent_certificate_authority or "",
                "certificate-authority-data": ""
                if arguments.agent_certificate_authority
                else base64.b64encode(_cluster_authority(connected.api)).decode(),
            },
            {},
        )
    if not found.server.startswith("https:"):
        raise Problem(
            f"{found.server} is plain HTTP, over which kubectl sends no credential, so that the agent would ask as "
            "whoever else is let in there: name the API server's own address with --agent-server"
        )
    return found


def _cluster_authority(api: Api) -> bytes:
    """The cluster's certificate authority, as every namespace holds it for its pods."""
    try:
        document = api.get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
        return str(document["data"]["ca.crt"]).encode()
    except (ApiError, KeyError, TypeError) as error:
        raise Problem(
            f"the cluster's certificate authority cannot be read ({error}): give --agent-certificate-authority FILE"
        ) from None


def _operator(given: str | None, me: Caller, terms: Terms, known: AgentTags) -> str:
    operator = me.username if given is None else given
    if not operator or len(operator) > _MAX_OPERATOR or operator != operator.strip() or not operator.isprintable():
        raise Problem("--operator is no user name: give the one that kubectl auth whoami shows for that person")
    if operator == terms.user or identity_tagged(Caller(operator), known):
        raise Problem(f"{operator} is an agent, and cannot operate one: name a person")
    return operator


def _as_approvers_know(api: Api, operator: str, me: Caller) -> tuple[str, str]:
    """The operator as approvers' names tell it, and a warning where they do not; empty where they do.

    Where the caller's user name says nothing and its ``extra`` tells one approver, that one's principal is recorded: it
    is the same at the next login.
    """
    try:
        registry = cluster_reads.read_registry(api)
    except ApiError as error:
        return operator, f"whether {operator} is an approver's name cannot be seen ({error})"
    if registry.knows(operator):
        return operator, ""
    told = registry.told_by(me.extra) if operator == me.username else frozenset()
    if len(told) == 1:
        return next(iter(told)), ""
    return operator, (
        f"no approver goes by {operator}: nobody is barred from approving for the agent, and under a policy with "
        "unknownOperator: Refuse no approval counts. If that is an approver, add the name, or what stays the same of "
        "it, to the Approver (kubernetesUsers, identities), or name another with --operator"
    )


def _state(api: Api, reached: Credentials, terms: Terms, end: int) -> State:
    """Ask for the first token."""
    # Never less than the API server's minimum, a few seconds beyond the end where that is all there is.
    asked = max(agent_credentials.MIN_SECONDS, min(terms.lifetime, end - _now(api)))
    token, expires, granted = agent_credentials.request(api, terms.namespace, terms.name, asked)
    return State(
        server=reached.server,
        authority=reached.ca.decode(errors="replace"),
        namespace=terms.namespace,
        name=terms.name,
        end=end,
        lifetime=terms.lifetime,
        token=token,
        expires=expires,
        granted=granted,
        server_name=reached.server_name,
        proxy=reached.proxy_url,
        insecure=reached.insecure,
    )


def _text(state: State, token_file: Path | None) -> str:
    text = yaml.safe_dump(agent_credentials.kubeconfig(state, token_file), sort_keys=False)
    if token_file is not None:
        return text
    ends = agent_credentials.timestamp(state.expires)
    return f"# The token ends at {ends} and is not renewed: {agent_credentials.ANEW} then.\n{text}"


def _seconds(flag: str, text: str) -> int:
    try:
        if len(text) > 20:
            raise ValueError
        return int(Duration.parse(text))
    except ValueError:
        raise Problem(f"{flag} {text!r} is no duration: write it like 30m, 8h or 1h30m") from None


def _token_file(out: Path | None, reached: Credentials, terms: Terms) -> Path:
    """The token's path: beside the kubeconfig, or, for one on standard output, where programs keep state."""
    if out is not None:
        if not out.name:
            raise Problem(f"{out} is a folder: name a file")
        return Path(os.path.abspath(out.with_name(f"{out.name}.token")))
    base = os.environ.get("XDG_STATE_HOME", "")
    # A relative one is to be ignored (XDG Base Directory Specification).
    folder = (Path(base) if os.path.isabs(base) else own_credential.home() / ".local" / "state") / "seconder"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    parts = (reached.server, reached.ca.decode(errors="replace"), terms.namespace, terms.name)
    return folder / f"{terms.name[:100]}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}.token"


def _check_files(out: Path | None, token_file: Path | None, who: str, *, force: bool) -> None:
    for file in (token_file, out):
        if file is None:
            continue
        private_files.check_writable(file)
        if file.exists() and not force and _agent_in(file) != who:
            raise Problem(f"{file} is there already and not this agent's: name another with --out, or add --force")


def _agent_in(file: Path) -> str:
    """The agent that a file of ours is for; empty for any other file."""
    try:
        document: Any = yaml.load(private_files.read(file), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        if "users" not in document:
            return f"{document['namespace']}/{document['name']}"
        (only,) = document["users"]
        if only["user"].keys() == {"token"}:
            return str(only["name"])
        return str(only["name"]) if only["user"]["exec"]["args"][0] == "agent-token" else ""
    except (OSError, Problem, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError, RecursionError):
        return ""


def _known_tags(api: Api, me: Caller) -> AgentTags:
    """The tags of the defaults and all policies. Raises Problem when they make the caller an agent."""
    if not identity_tagged(me, DEFAULT_TAGS):
        documents, _ = api.items(f"{constants.API_PATH}/protectionpolicies")
        known = PolicyIndex(
            policy for document in documents for policy in policy_documents.policies(document)
        ).known_tags
        if not identity_tagged(me, known):
            return known
    raise Problem(f"you are {me.username}, an agent: only a person gives an agent its identity")


def _check_role(api: Api, role: str) -> None:
    try:
        api.metadata(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}")
    except ApiError as error:
        if error.status != 404:
            raise
        raise Problem(f"there is no ClusterRole {role}: choose one of kubectl get clusterroles") from None


def _now(api: Api) -> int:
    """The API server's time, by which ends are judged: this machine's clock may be wrong."""
    told = moments.http_seconds(api.server_date)
    return int(time.time() if told is None else told)


def _prove(theirs: Api, user: str, known: AgentTags, state: State) -> None:
    """Raise Problem unless the token is this agent's, and the guard refuses it one beyond the end."""
    deadline = time.monotonic() + _PROOF_SECONDS
    while True:
        missing = _missing(theirs, user, known, state)
        if not missing:
            return
        if time.monotonic() > deadline:
            raise Problem(f"the new identity is not safe to hand out, and what this made was removed: {missing}")
        time.sleep(_POLL_SECONDS)


def _missing(theirs: Api, user: str, known: AgentTags, state: State) -> str:
    """What is not so, or not yet: caches of the API server and of the guard take a moment."""
    try:
        caller = who_am_i(theirs)
    except ApiError as error:
        return f"its token does not work ({error}){_gateway(state)}"
    if caller.username != user:
        return f"with its token one is {caller.username}{_gateway(state)}"
    if not identity_tagged(caller, known):
        return f"its token is for {caller.username}, which no policy calls an agent"
    account = f"/api/v1/namespaces/{state.namespace}/serviceaccounts/{state.name}"
    beyond = agent_credentials.token_request(int(state.end - time.time()) + 24 * 3600)
    try:
        theirs.create(f"{account}/token", beyond, dryRun="All")
    except ApiError as error:
        if f"({Reason.PROTECTED_CONFIGURATION})" in str(error):
            return ""
        return f"the guard could not be asked ({error})"
    return "the guard would give it a token beyond its end: is Seconder's webhook in force?"


def _gateway(state: State) -> str:
    return (
        f". If {state.server} is a gateway that lets people in by itself (Rancher, Teleport, Pinniped and the like), "
        "it takes no ServiceAccount's token: give the API server's own address with --agent-server URL"
    )


def _warn_of_role(agent: Agent, terms: Terms, shedding: str) -> None:
    if shedding:
        roles = f"ClusterRole {agent.role} or another role of {terms.user}"
        _warn(f"{roles} lets it {shedding}: with that it can shed its tag")


def _warn_of_operator(operator: str, unmatched: str, *, somebody_else: bool) -> None:
    if unmatched:
        _warn(unmatched)
    if somebody_else:
        _warn(
            f"you get the token of an agent that {operator} operates: only {operator} is barred from approving for it"
        )


def _warn_of_way(reached: Credentials) -> None:
    if reached.insecure:
        _warn("its kubeconfig has insecure-skip-tls-verify, as yours: whoever is in between can take its token")
    if "@" in reached.proxy_url:
        _warn("its kubeconfig holds the password in your proxy-url")


def _shedding(theirs: Api) -> str:
    """What its roles allow by which an agent could act as somebody else; empty when there is nothing."""
    found = []
    for verb, group, resource in _SHEDDING:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": verb, "group": group, "resource": resource}},
        }
        answer = theirs.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        if answer["status"].get("allowed"):
            found.append(f"{verb} {resource}")
    return " and ".join(found)


def _replace(undo: Undo, file: Path, write: Any) -> None:
    before = file.read_bytes() if file.exists() else None
    write()
    undo.add(str(file), file.unlink if before is None else lambda: private_files.write(file, before))


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
