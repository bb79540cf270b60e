"""Who runs the command, as the API server sees it, and what the clocks say."""

from typing import Final

from seconder.admission import principal
from seconder.admission.request import Caller
from seconder.api import constants, moments
from seconder.api.policy import AgentTags
from seconder.api.text import clean
from seconder.client.api import Api
from seconder.plugin.terminal.problem import Problem

_REVIEW: Final = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def who_am_i(api: Api) -> Caller:
    """Ask the API server whom it takes us for. Raises ApiError."""
    info = api.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", _REVIEW)["status"]["userInfo"]
    extra = {key: tuple(values) for key, values in (info.get("extra") or {}).items()}
    return Caller(info.get("username", ""), frozenset(info.get("groups") or ()), extra)


def no_agent(caller: Caller, tags: AgentTags) -> None:
    """Raise Problem for an agent."""
    if principal.identity_tagged(caller, tags):
        raise Problem(f"{clean(caller.username)} is an agent here, and agents do not approve: a person must, as one")


def same_time(server_date: str, now: float) -> None:
    """Compare the local clock with the API server's ``Date`` (RFC 9110 section 5.6.7). Raises Problem over 60 s."""
    told = moments.http_seconds(server_date)
    if told is None:
        # Without a Date there is nothing to compare with; what is made is verified by the cluster's clock anyway.
        return
    ahead = now - told
    if abs(ahead) > constants.CLOCK_SKEW_SECONDS:
        which = "ahead of" if ahead > 0 else "behind"
        raise Problem(
            f"this machine's clock is {abs(ahead):.0f} s {which} the API server's, so that no approval made here "
            "would count as meant: set the clock"
        )
