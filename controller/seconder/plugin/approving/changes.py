"""A wanted change of an object, as an approver reads it: compared with the object as it stands, and as a diff."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seconder.admission.changes import alike, anew, differences, free_changes
from seconder.admission.changes.free_paths import FreePaths
from seconder.admission.review import Effect, ReviewContext
from seconder.api.text import clean, folded
from seconder.approvals import line_diff
from seconder.approvals.difference import Difference
from seconder.client.api import Api, ApiError
from seconder.plugin.approving import exact_text
from seconder.plugin.terminal import manifests
from seconder.plugin.terminal.problem import Problem

_DRY: Final[Mapping[str, Any]] = {"decode": differences.exact.decode, "dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that somebody wants. ``before`` and ``after`` are the states of the object as they may be shown.

    ``problem`` says why it cannot be signed for as it is; empty where it can.
    """

    difference: Difference | None
    before: Any = None
    after: Any = None
    problem: str = ""

    @property
    def possible(self) -> bool:
        """Whether the object still is as it was when the change was asked for, as far as that is told."""
        return self.before is not None

    def diff(self, columns: int) -> Iterator[str]:
        """The lines of a unified diff between the two states, of at most so many columns: in YAML, in plain ASCII.

        What continues a line has a bar in the place of its mark.
        """
        if self.before is None:
            return
        before, after = (_lines(state) for state in (self.before, self.after))
        for number, (mark, text) in enumerate(line_diff.lines(before, after)):
            if not number:
                yield from ("--- stored", "+++ wanted")
            if mark == "@":
                yield text
                continue
            for piece in folded(text, columns - 1):
                yield f"{mark}{piece}"
                mark = "|"


def wanted(
    api: Api, path: str, context: ReviewContext, effect: Effect, recorded: Difference | None, file: str | None
) -> Wanted:
    """The change that a change request records, or that a manifest makes. Raises Problem and ApiError.

    ``path`` is the object's in the API. Nothing that the record says is taken for granted: the object is read, and what
    is shown is what the digest of the wanted object names.
    """
    live: Mapping[str, Any] = api.get(path, decode=differences.exact.decode)
    resource = effect.target.resource
    free = free_changes.of_all(context.naming(effect), resource)
    try:
        if file is not None:
            return _of_manifest(api, path, live, file, effect, recorded, free)
        if recorded is None:
            raise Problem(
                "what is to be changed is not known: name the change request, or give the manifest with -f FILE"
            )
        standing = differences.standing(resource, live, recorded, free)
    except RecursionError:
        raise Problem("the object nests too deeply to be compared") from None
    if standing.done:
        return Wanted(recorded, problem="the object is as it was asked to be: nothing is left to approve")
    based = standing.rebased
    if based is None:
        return Wanted(recorded, problem="the object has changed since it was asked for: have the requester try again")
    if not based.proven:
        what = "is too large or too deep to be shown" if recorded.truncated else "cannot be shown in full"
        problem = f"what it makes of the object {what}: approve it from the manifest (-f FILE)"
        return Wanted(based.difference, based.before, based.after, problem)
    return Wanted(based.difference, based.before, based.after)


def _of_manifest(
    api: Api,
    path: str,
    live: Mapping[str, Any],
    file: str,
    effect: Effect,
    recorded: Difference | None,
    free: Sequence[FreePaths],
) -> Wanted:
    # Seven arguments: what is wanted, of what, and all that it is compared by.
    resource = effect.target.resource
    found: Wanted | None = None
    for made in _tried(api, path, _manifest(file), live):
        for paths in (free, free_changes.taking_back(free, free_changes.NAMED)):
            difference = differences.between(resource, live, made, paths)
            if difference is None:
                continue
            before, after = (differences.guarded(one, paths, status=False) for one in (live, made))
            states = (before, anew.marked(resource, live, made, after))
            shown = Wanted(difference, *(differences.shown(resource, state) for state in states))
            if recorded is None or difference.after == recorded.after:
                return shown
            found = found or shown
    if found is None:
        raise Problem(f"{clean(file)} changes nothing of the object that takes approval")
    raise Problem(f"{clean(file)} makes another object than the one that was asked for")


def _tried(api: Api, path: str, manifest: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the API server would store for a manifest (dry runs): as a whole object, applied, and merged.

    Raises ApiError where it takes it in none of these ways.
    """
    metadata = manifest.get("metadata") or {}
    uid = live["metadata"]["uid"]
    placed = {**manifest, "metadata": {**metadata, "uid": uid}}
    whole = {**placed, "metadata": {**placed["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
    kept = {key: value for key, value in placed["metadata"].items() if key not in {"managedFields", "resourceVersion"}}
    applied = {**placed, "metadata": kept}
    ways: list[Callable[[], Any]] = [
        lambda: api.apply(path, applied, **_DRY),
        lambda: api.merge(path, applied, **_DRY),
    ]
    # What was read from the cluster before is a whole object.
    ways.insert(0 if "resourceVersion" in metadata else len(ways), lambda: api.replace(path, whole, **_DRY))
    error: ApiError | None = None
    taken = False
    for way in ways:
        try:
            made = way()
        except ApiError as failed:
            error = error or failed
            continue
        taken = True
        yield made
    if error is not None and not taken:
        raise error


def _manifest(file: str) -> Mapping[str, Any]:
    found = list(manifests.documents(file))
    if len(found) != 1:
        raise Problem(f"{clean(file)} holds {len(found)} objects: give the one that is changed")
    return found[0]


def _lines(state: Any) -> list[str]:
    document, taken = differences.parts(state)
    told = exact_text.lines(differences.exact.decode(alike.canonical(document)))
    # No line of an object's YAML is a comment.
    return [*told, f"# {differences.HEADING}", *exact_text.lines(taken)] if taken else told
