"""The pods of an object, a Pod or what makes Pods from a template: as whom they run, and which Secrets they name."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from seconder.admission.changes.differences import Fields
from seconder.admission.kinds import CRON_JOBS
from seconder.api.resources import PODS, GroupResource

_DEFAULT: Final = "default"
_NULL: Final = msgspec.Raw(b"null")
_SECRET: Final = b"ecret"


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


_templated: Final = msgspec.json.Decoder(_Templated | None)
_scheduled: Final = msgspec.json.Decoder(_Scheduled | None)
_pod_spec: Final = msgspec.json.Decoder(_PodSpec | None)


def specification(resource: GroupResource, before: msgspec.Raw, after: msgspec.Raw) -> msgspec.Raw | None:
    """The specification of the pods that a write makes or changes; None where it does neither.

    ``before`` and ``after`` are the ``spec`` of one of ``kinds.POD_RUNNERS``, as JSON. Raises msgspec.MsgspecError.
    """
    spec = spec_of_pods(resource, after)
    return None if bytes(spec) in {b"null", bytes(spec_of_pods(resource, before))} else spec


def account(spec: msgspec.Raw) -> str:
    """The name of the ServiceAccount as which pods run. ``spec``: their own. Raises msgspec.MsgspecError."""
    pod_spec = _pod_spec.decode(spec)
    return (pod_spec.service_account_name if pod_spec else "") or _DEFAULT


def secrets(spec: msgspec.Raw) -> frozenset[str]:
    """The names of Secrets in pods' specification, in whichever field. Raises msgspec.MsgspecError and RecursionError.

    Every field of core/v1 that names a Secret has the word in its own name: ``secretKeyRef``, ``secretRef``,
    ``nodePublishSecretRef``, ``secret``, ``secretName``, ``imagePullSecrets``. One that is added will, too.
    """
    # Most name none. No character of a field's name is written by an escape.
    return frozenset(_secrets_in(msgspec.json.decode(spec))) if _SECRET in bytes(spec) else frozenset()


def _secrets_in(document: Any) -> Iterator[str]:
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left.extend(value)
        elif isinstance(value, dict):
            left.extend(value.values())
            for key, below in value.items():
                if "secret" in key.lower():
                    for each in below if isinstance(below, list) else [below]:
                        name = each.get("name") if isinstance(each, dict) else each
                        if isinstance(name, str) and name:
                            yield name


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


def spec_of_pods(resource: GroupResource, spec: msgspec.Raw) -> msgspec.Raw:
    """The specification of the pods of one of ``kinds.POD_RUNNERS``; null where it has none. Raises as above."""
    if resource == PODS:
        return spec
    if resource == CRON_JOBS:
        scheduled = _scheduled.decode(spec)
        job = scheduled.job_template if scheduled else None
        templated = job.spec if job else None
    else:
        templated = _templated.decode(spec)
    return templated.template.spec if templated and templated.template else _NULL
