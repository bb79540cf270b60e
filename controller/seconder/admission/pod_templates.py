"""As whom the pods of an object run: of a Pod, and of what makes Pods from a template."""

from typing import Any, Final

import msgspec

from seconder.admission.changes.differences import Fields
from seconder.admission.kinds import CRON_JOBS
from seconder.api.resources import PODS, GroupResource

_DEFAULT: Final = "default"
_NULL: Final = msgspec.Raw(b"null")


class _Template(msgspec.Struct):
    spec: msgspec.Raw = _NULL


class _Templated(msgspec.Struct):
    template: _Template | None = None


class _JobTemplate(msgspec.Struct):
    spec: _Templated | None = None


class _Scheduled(msgspec.Struct, rename="camel"):
    job_template: _JobTemplate | None = None


class _PodSpec(msgspec.Struct, rename="camel"):
    service_account_name: str = ""


class _Pod(msgspec.Struct):
    spec: _PodSpec


_templated: Final = msgspec.json.Decoder(_Templated | None)
_scheduled: Final = msgspec.json.Decoder(_Scheduled | None)
_pod_spec: Final = msgspec.json.Decoder(_PodSpec | None)


def runs_as(resource: GroupResource, before: msgspec.Raw, after: msgspec.Raw) -> str:
    """The name of the ServiceAccount of the pods that a write makes or changes; empty where it does neither.

    ``before`` and ``after`` are the ``spec`` of one of ``kinds.POD_RUNNERS``, as JSON. Raises msgspec.MsgspecError.
    """
    spec = _spec_of_pods(resource, after)
    if bytes(spec) in {b"null", bytes(_spec_of_pods(resource, before))}:
        return ""
    pod_spec = _pod_spec.decode(spec)
    return (pod_spec.service_account_name if pod_spec else "") or _DEFAULT


def surely_left(resource: GroupResource, before: Fields, after: Fields) -> bool:
    """Whether the pods of an object stay as they are, told by what of the object is not written alike.

    ``before`` and ``after`` are as ``ReviewContext.unlike`` has them. False where it takes more than that to tell.
    """
    if "spec" not in before and "spec" not in after:
        return True
    stored, wanted = before.get("spec"), after.get("spec")
    if resource == PODS or not (isinstance(stored, dict) and isinstance(wanted, dict)):
        return False
    field = "jobTemplate" if resource == CRON_JOBS else "template"
    return field not in stored and field not in wanted


def account_of(document: Any) -> str:
    """The name of the ServiceAccount of a Pod, as the API server gives it. Raises msgspec.ValidationError."""
    return msgspec.convert(document, _Pod).spec.service_account_name or _DEFAULT


def _spec_of_pods(resource: GroupResource, spec: msgspec.Raw) -> msgspec.Raw:
    if resource == PODS:
        return spec
    if resource == CRON_JOBS:
        scheduled = _scheduled.decode(spec)
        job = scheduled.job_template if scheduled else None
        templated = job.spec if job else None
    else:
        templated = _templated.decode(spec)
    return templated.template.spec if templated and templated.template else _NULL
