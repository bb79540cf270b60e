"""``keys lint``: check approvers' keys and certificates, in files or in the cluster, by the rules that decide."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from seconder.api import constants, policy_documents
from seconder.api.policy import Assurance, Mode
from seconder.api.reasons import Rejected
from seconder.api.text import clean
from seconder.approvals import approver_documents, quorum
from seconder.approvals.certificates import authority_documents, certificate, overlaps
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.keys import UnusableKey, blob_of_line, fingerprint, parse
from seconder.approvals.registry import Approver, Registry
from seconder.client.api import Api, ApiError
from seconder.plugin.terminal import connection, output
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

_KINDS: Final = frozenset(constants.KINDS[plural] for plural in constants.WHO_APPROVES)
_MAX_BYTES: Final = 8 * 1024 * 1024
_PRIVATE: Final = re.compile(
    r"^(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|---- BEGIN SSH2 ENCRYPTED PRIVATE|PuTTY-User-Key)", re.M
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A key, where it stands, and what is wrong with it; ``problem`` is empty for a good one."""

    where: str
    blob: bytes
    fingerprint: str = ""
    type: str = ""
    assurance: str = ""
    problem: str = ""


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser("keys", "Check approvers' keys: .pub files, certificates, authorized_keys lines, manifests.")
    command.add_argument("command", choices=["lint"], help="what to do")
    command.add_argument("files", metavar="FILE", nargs="*", help="- is standard input; none: the cluster's Approvers")
    output.add_format(command)
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Lint; the exit code is 1 if any key is bad."""
    documents: list[Mapping[str, Any]] = []
    notes: list[str] = []
    if not arguments.files:
        api = connection.connect(arguments).api
        documents = _registered(api)
        notes = _wanting(api, documents)
    found = list(_in_files(arguments.files) if arguments.files else _in_manifests(documents))
    if not found:
        raise Problem("no keys found" if arguments.files else "nobody is registered in this cluster")
    found = _duplicates(found)
    if arguments.output:
        shown = [
            {
                "where": finding.where,
                "fingerprint": finding.fingerprint,
                "type": finding.type,
                "assurance": finding.assurance,
                "problem": finding.problem,
            }
            for finding in found
        ]
        print(output.dump(shown, arguments.output))
    else:
        for finding in found:
            told = " ".join(part for part in (finding.fingerprint, finding.type, finding.assurance) if part)
            verdict = f"PROBLEM {told}".rstrip() + f": {finding.problem}" if finding.problem else f"OK {told}"
            print(f"{finding.where}: {verdict}")
    if notes:
        output.tell(notes)
    return 1 if any(finding.problem for finding in found) else 0


def _registered(api: Api) -> list[Mapping[str, Any]]:
    return [
        document | {"kind": constants.KINDS[plural]}
        for plural in constants.WHO_APPROVES
        for document in api.items(f"{constants.API_PATH}/{plural}")[0]
    ]


def _wanting(api: Api, documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each policy of the cluster that asks for more peers than are registered."""
    try:
        stored, _ = api.items(f"{constants.API_PATH}/protectionpolicies")
    except ApiError as error:
        return [f"note: whether policies ask for more peers than there are is not known: {clean(str(error))}"]
    registry = Registry(
        _readable(approver_documents.parse_approver, documents, "Approver"),
        _readable(authority_documents.parse_authority, documents, "ApproverAuthority"),
    )
    lines = []
    for policy in (policy for document in stored for policy in policy_documents.policies(document)):
        need = policy.requirement
        there = quorum.able(registry, need, time.time())
        # Of an invalid one it is not known what it asks for.
        if policy.problem or policy.mode is Mode.AUDIT or there is None or there >= need.required:
            continue
        teams = f" of {' or '.join(sorted(need.teams))}" if need.teams else ""
        people = "1 approver" if need.required == 1 else f"{need.required} approvers"
        is_ = "is" if there == 1 else "are"
        proof = "" if need.assurance is Assurance.SOFTWARE else f" with keys that prove {need.assurance}"
        lines.append(
            f"note: policy {policy.name} asks for {people}{teams}{proof}, and {there} such {is_} registered: "
            "what it covers waits until there are more"
        )
    return [clean(line) for line in dict.fromkeys(lines)]


_Party = TypeVar("_Party")


def _readable(
    parse: Callable[[Mapping[str, Any]], _Party], documents: Sequence[Mapping[str, Any]], kind: str
) -> Iterator[_Party]:
    """Those that can be read; of the others their own lines tell."""
    for document in documents:
        if document["kind"] == kind:
            with suppress(msgspec.ValidationError, KeyError, TypeError, AttributeError):
                yield parse(document)


def _in_files(files: Sequence[str]) -> Iterator[Finding]:
    manifests: list[Any] = []
    places: list[str] = []
    for name in files:
        text = _read(name)
        where = "standard input" if name == "-" else name
        documents = _manifests(text, where)
        if documents is None:
            yield from _in_lines(text, where)
        else:
            manifests += documents
            places += [where] * len(documents)
    # All together: a key that stands in two of them counts in neither.
    yield from _in_manifests(manifests, *places)


def _read(name: str) -> str:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise Problem(f"cannot read {name}: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise Problem(f"{name} has more than {_MAX_BYTES // 1024**2} MiB")
    return content.decode(errors="replace")


def _manifests(text: str, where: str) -> list[Any] | None:
    """The Approvers and ApproverAuthorities of a manifest; None for what is no manifest."""
    if not (
        text.lstrip().startswith("{") or any(line.startswith(("apiVersion:", "kind:")) for line in text.splitlines())
    ):
        return None
    import yaml

    try:
        documents = list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem(f"{where} is not YAML: {' '.join(str(error).split())}") from None
    found: list[Any] = []
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items")
            found += items if isinstance(items, list) else [document]
    return [
        document
        for document in found
        if isinstance(document, dict)
        and document.get("kind") in _KINDS
        and str(document.get("apiVersion", "")).startswith(f"{constants.DOMAIN}/")
    ]


def _in_manifests(documents: Sequence[Mapping[str, Any]], *places: str) -> Iterator[Finding]:
    approvers: list[tuple[str, Approver]] = []
    authorities: list[tuple[str, Authority]] = []
    for place, document in enumerate(documents):
        metadata = document.get("metadata")
        name = clean(str(metadata.get("name", ""))) if isinstance(metadata, dict) else ""
        source = places[place] if place < len(places) else ""
        kind = document["kind"]
        where = f"{source}: {kind.lower()}/{name}" if source else f"{kind.lower()}/{name}"
        try:
            if kind == "Approver":
                approvers.append((where, approver_documents.parse_approver(document)))
            else:
                authorities.append((where, authority_documents.parse_authority(document)))
        except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
            yield Finding(where, b"", problem=f"not an {kind}: {clean(str(error))}")
    registry = Registry([approver for _, approver in approvers], [authority for _, authority in authorities])
    yield from _of_approvers(approvers, registry)
    yield from _of_authorities(authorities, registry)


def _of_approvers(approvers: Sequence[tuple[str, Approver]], registry: Registry) -> Iterator[Finding]:
    now = time.time()
    for where, approver in approvers:
        if not approver.keys:
            yield Finding(where, b"", problem="no keys")
        for key in approver.keys:
            problem = registry.problems[approver.name, key.name]
            if not problem and key.not_after is not None and key.not_after <= now:
                problem = "its notAfter has passed"
            yield Finding(
                f"{where} key {clean(key.name)}",
                # One that stands in two manifests has its problem already.
                b"" if problem else key.blob,
                key.fingerprint,
                key.public.type.value if key.public else "",
                f"up to {key.public.best_assurance}" if key.public else "",
                clean(problem),
            )


def _of_authorities(authorities: Sequence[tuple[str, Authority]], registry: Registry) -> Iterator[Finding]:
    duplicates = overlaps.principals(registry.authorities)
    for where, authority in authorities:
        for number, key in enumerate(authority.keys, 1):
            problem = key.problem or registry.authority_problem(key.blob)
            kind = key.public.type.value if key.public else ""
            yield Finding(
                f"{where} key {number}", b"" if problem else key.blob, key.fingerprint, kind, "", clean(problem)
            )
        if authority.name in duplicates:
            principal, other = duplicates[authority.name]
            problem = f"Duplicate: {principal} is for ApproverAuthority {other} too, and counts in neither"
            yield Finding(f"{where} principals", b"", problem=clean(problem))


def _in_lines(text: str, where: str) -> Iterator[Finding]:
    if _PRIVATE.search(text):
        problem = (
            "this is a private key, which nobody but its owner should have: give its public half, in the .pub file"
        )
        yield Finding(where, b"", problem=problem)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        blob, shown = b"", ""
        try:
            blob = blob_of_line(line)
            if certificate.is_certificate(blob):
                yield _certificate(f"{where}:{number}", blob)
                continue
            shown = fingerprint(blob)
            key = parse(blob)
        except UnusableKey as error:
            yield Finding(f"{where}:{number}", blob, shown, problem=str(error))
        else:
            yield Finding(f"{where}:{number}", blob, shown, key.type.value, f"up to {key.best_assurance}")


def _certificate(where: str, blob: bytes) -> Finding:
    """What can be said of a certificate without its ApproverAuthority: its form, its key, and its signature."""
    try:
        shown = certificate.parse(blob)
        key = certificate.key_of(shown)
        authority = parse(shown.authority_blob)
        certificate.verify(shown, authority)
    except UnusableKey as error:
        return Finding(where, b"", problem=f"the certificate's authority has no usable key: {error}")
    except Rejected as rejected:
        return Finding(where, b"", problem=rejected.detail)
    kind = f"certificate of {key.type.value}"
    about = f"by {authority.fingerprint} for {', '.join(shown.principals)}, serial {shown.serial}"
    problem = "" if time.time() < shown.valid_before else "it has ended"
    return Finding(where, b"", key.fingerprint, kind, clean(f"up to {key.best_assurance}, {about}"), problem)


def _duplicates(found: Sequence[Finding]) -> list[Finding]:
    """For each key that stands in several places, a line that says where else."""
    places: dict[bytes, list[str]] = {}
    for finding in found:
        if finding.blob:
            places.setdefault(finding.blob, []).append(finding.where)
    told = []
    for finding in found:
        others = [where for where in places.get(finding.blob, ()) if where != finding.where]
        if others and not finding.problem:
            told.append(replace(finding, problem=f"Duplicate: this key stands in {', '.join(others[:5])} too"))
        else:
            told.append(finding)
    return told
