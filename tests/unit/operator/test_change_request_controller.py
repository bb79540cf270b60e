"""When a change request that could not be looked at is looked at again."""

import pytest

from seconder.admission.lookups import Unknown
from seconder.client.api import ApiError
from seconder.operator import change_request_controller as controller


def _unanswered(cause: Exception) -> Unknown:
    unknown = Unknown("what the namespace holds could not be looked up")
    unknown.__cause__ = cause
    return unknown


@pytest.mark.parametrize(
    "error", [Unknown("what a policy names is not known yet"), _unanswered(ApiError(503, "away")), ApiError(0, "away")]
)
def test_what_passes_by_itself_is_tried_again_soon(error: Exception) -> None:
    """A policy that was just changed is resolved within a second, and an API server comes back."""
    assert controller._after(error) <= 3


@pytest.mark.parametrize("error", [_unanswered(ApiError(403, "forbidden")), ApiError(403, "forbidden")])
def test_what_lacks_a_right_is_tried_again_seldom(error: Exception) -> None:
    """There may be a thousand that all lack the same one."""
    assert controller._after(error) >= 30
