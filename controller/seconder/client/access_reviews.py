"""What is asked of the API server's authorizer: SubjectAccessReviews (authorization.k8s.io/v1)."""

from typing import Any, Final

import msgspec

from seconder.admission.borrowing import Account, Right
from seconder.admission.principal import service_account_caller

PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class _Status(msgspec.Struct):
    allowed: bool


class _Answer(msgspec.Struct):
    status: _Status


def access_review(account: Account, right: Right) -> dict[str, Any]:
    """Ask whether a ServiceAccount has a right."""
    caller = service_account_caller(account.namespace, account.name)
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": caller.username,
            "groups": sorted(caller.groups),
            "resourceAttributes": {key: value for key, value in right._asdict().items() if value},
        },
    }


def allowed(document: Any) -> bool:
    """Read the answer. Raises msgspec.ValidationError."""
    return msgspec.convert(document, _Answer).status.allowed
