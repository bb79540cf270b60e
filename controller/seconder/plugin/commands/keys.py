"""``keys lint``: check approvers' public keys, in files or in the cluster, by the rules that decide what counts."""

import argparse
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from seconder.api import constants
from seconder.api.text import clean
from seconder.approvals import approver_documents
from seconder.approvals.keys import UnusableKey, blob_of_line, fingerprint, parse
from seconder.approvals.registry import Approver, Registry
from seconder.plugin.terminal import connection, output
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

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
    command = Parser("keys", "Check approvers' public keys: .pub files, authorized_keys lines, Approver manifests.")
    command.add_argument("command", choices=["lint"], help="what to do")
    command.add_argument("files", metavar="FILE", nargs="*", help="- is standard input; none: the cluster's Approvers")
    output.add_format(command)
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Lint; the exit code is 1 if any key is bad."""
    found = list(_in_files(arguments.files) if arguments.files else _in_cluster(arguments))
    if not found:
        raise Problem("no keys found" if arguments.files else "this cluster has no Approvers")
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
    return 1 if any(finding.problem for finding in found) else 0


def _in_cluster(arguments: argparse.Namespace) -> Iterator[Finding]:
    api = connection.connect(arguments).api
    documents, _ = api.items(f"{constants.API_PATH}/approvers")
    yield from _in_approvers(documents, "")


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
    yield from _in_approvers(manifests, *places)


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
    """The Approvers of a manifest; None for what is no manifest."""
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
        and document.get("kind") == "Approver"
        and str(document.get("apiVersion", "")).startswith(f"{constants.DOMAIN}/")
    ]


def _in_approvers(documents: Sequence[Mapping[str, Any]], *places: str) -> Iterator[Finding]:
    found: list[tuple[str, Approver]] = []
    for place, document in enumerate(documents):
        metadata = document.get("metadata")
        name = clean(str(metadata.get("name", ""))) if isinstance(metadata, dict) else ""
        source = places[place] if place < len(places) else ""
        where = f"{source}: approver/{name}" if source else f"approver/{name}"
        try:
            found.append((where, approver_documents.parse_approver(document)))
        except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
            yield Finding(where, b"", problem=f"not an Approver: {clean(str(error))}")
    registry = Registry(approver for _, approver in found)
    now = time.time()
    for where, approver in found:
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
            shown = fingerprint(blob)
            key = parse(blob)
        except UnusableKey as error:
            yield Finding(f"{where}:{number}", blob, shown, problem=str(error))
        else:
            yield Finding(f"{where}:{number}", blob, shown, key.type.value, f"up to {key.best_assurance}")


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
