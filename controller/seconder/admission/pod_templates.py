"""As whom the pods of an object run: of a Pod, and of what makes Pods from a template."""

from typing import Any, Final

import msgspec

from seconder.api.resources import GroupResource

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

PODS: Final = GroupResource("", "pods")
_CRON_JOBS: Final = GroupResource("batch", "cronjobs")
RUNNERS: Final = frozenset(
    {
        PODS,
        _CRON_JOBS,
        GroupResource("", "replicationcontrollers"),
        GroupResource("apps", "daemonsets"),
        GroupResource("apps", "deployments"),
        GroupResource("apps", "replicasets"),
        GroupResource("apps", "statefulsets"),
        GroupResource("batch", "jobs"),
    }
)
"""The built-in kinds whose objects are pods or make some."""


def runs_as(resource: GroupResource, before: msgspec.Raw, after: msgspec.Raw) -> str:
    """Name the ServiceAccount of the pods that a write makes or changes; empty where it does neither.

    ``before`` and ``after`` are the ``spec`` of one of RUNNERS (JSON, ``null`` where there is none). Raises
    msgspec.MsgspecError.
    """
    spec = _spec_of_pods(resource, after)
    if bytes(spec) in {b"null", bytes(_spec_of_pods(resource, before))}:
        return ""
    found = _pod_spec.decode(spec)
    return (found.service_account_name if found else "") or _DEFAULT


def account_of(document: Any) -> str:
    """Name the ServiceAccount of a Pod as the API server gives it. Raises msgspec.ValidationError."""
    return msgspec.convert(document, _Pod).spec.service_account_name or _DEFAULT


def _spec_of_pods(resource: GroupResource, spec: msgspec.Raw) -> msgspec.Raw:
    if resource == PODS:
        return spec
    if resource == _CRON_JOBS:
        scheduled = _scheduled.decode(spec)
        job = scheduled.job_template if scheduled else None
        templated = job.spec if job else None
    else:
        templated = _templated.decode(spec)
    return templated.template.spec if templated and templated.template else _NULL
