"""CustomResourceDefinitions, generated from the models that parse the documents (structural OpenAPI v3 with CEL)."""

import enum
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, inspect

from seconder.api import change_request, constants, documents

_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _column(name: str, path: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def _ready(condition: str = "Ready") -> str:
    return f'.status.conditions[?(@.type=="{condition}")]'


def protection_policy_crd() -> dict[str, Any]:
    """Give the CRD of ProtectionPolicy."""
    return _crd(
        kind="ProtectionPolicy",
        plural="protectionpolicies",
        short="ppol",
        description="What agents (or everyone) may not take away without a peer's signed approval.",
        spec=documents.PolicySpec,
        spec_rules=documents.POLICY_RULES,
        status=documents.PolicyStatus,
        columns=[
            _column("Mode", ".spec.mode"),
            _column("Subjects", ".spec.subjects"),
            _column("Required", ".spec.approvals.required", "integer"),
            _column("Ready", f"{_ready()}.status"),
            _column("Problem", f"{_ready()}.message", priority=1),
            _AGE,
        ],
    )


def approver_crd() -> dict[str, Any]:
    """Give the CRD of Approver."""
    return _crd(
        kind="Approver",
        plural="approvers",
        short="apr",
        description="A person who may approve, with the keys that prove it.",
        spec=documents.ApproverSpec,
        spec_rules={},
        status=documents.ApproverStatus,
        columns=[
            _column("Principal", ".spec.principal"),
            _column("Teams", ".spec.teams"),
            _column("Ready", f"{_ready()}.status"),
            _column("Problem", f"{_ready()}.message", priority=1),
            _AGE,
        ],
    )


def change_request_crd() -> dict[str, Any]:
    """Give the CRD of ChangeRequest."""
    return _crd(
        kind="ChangeRequest",
        plural="changerequests",
        short="chg",
        description="A refused action that waits for peers' approval.",
        spec=change_request.ChangeRequestSpec,
        spec_rules=change_request.SPEC_RULES,
        status=change_request.ChangeRequestStatus,
        columns=[
            _column("Phase", ".status.phase"),
            _column("Action", ".spec.action"),
            _column("Object", ".status.object"),
            _column("Impact", ".status.impact"),
            _column("Requester", ".spec.requester"),
            _column("Approvals", ".status.progress"),
            _column("Until", ".status.expiresAt"),
            _column("Attempts", ".status.attempts", "integer", priority=1),
            _column("Reason", ".status.lastReason", priority=1),
            _AGE,
        ],
    )


def _crd(
    *,
    kind: str,
    plural: str,
    short: str,
    description: str,
    spec: type,
    spec_rules: dict[str, Any],
    status: type,
    columns: list[dict[str, Any]],
) -> dict[str, Any]:
    schema = {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema_of(spec) | spec_rules,
            "status": schema_of(status),
        },
    }
    version = {
        "name": constants.API_VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{constants.DOMAIN}"},
        "spec": {
            "group": constants.DOMAIN,
            "scope": "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["seconder"],
            },
            "versions": [version],
        },
    }


def schema_of(model: Any) -> dict[str, Any]:
    """Give the structural schema of a msgspec type.

    Raises TypeError for a type that has no place in a CRD.
    """
    return _schema(inspect.type_info(model))


def _schema(kind: inspect.Type) -> dict[str, Any]:
    if isinstance(kind, inspect.Metadata):
        schema = _schema(kind.type)
        return schema | (kind.extra_json_schema or {})
    if isinstance(kind, inspect.StructType):
        return _struct(kind)
    if isinstance(kind, inspect.UnionType):
        # A field that may be left out is a union with msgspec's marker for that, which has no public type here.
        wanted = [each for each in kind.types if type(each).__name__ != "UnsetType"]
        if len(wanted) == 1:
            return _schema(wanted[0])
    simple: dict[type, dict[str, Any]] = {
        inspect.BoolType: {"type": "boolean"},
        inspect.DateTimeType: {"type": "string", "format": "date-time"},
    }
    if type(kind) in simple:
        return dict(simple[type(kind)])
    if isinstance(kind, inspect.DictType):
        plain = isinstance(kind.value_type, inspect.AnyType)
        return {"type": "object"} | ({} if plain else {"additionalProperties": _schema(kind.value_type)})
    if isinstance(kind, inspect.StrType):
        return {"type": "string"} | _bounds(minLength=kind.min_length, maxLength=kind.max_length, pattern=kind.pattern)
    if isinstance(kind, inspect.IntType):
        return {"type": "integer", "format": "int64"} | _bounds(minimum=kind.ge, maximum=kind.le)
    if isinstance(kind, inspect.ListType):
        items = {"items": _schema(kind.item_type)}
        return {"type": "array"} | items | _bounds(minItems=kind.min_length or None, maxItems=kind.max_length)
    if isinstance(kind, inspect.EnumType):
        return {"type": "string", "enum": [member.value for member in kind.cls]}
    if isinstance(kind, inspect.LiteralType):
        return {"type": "string", "enum": list(kind.values)}
    raise TypeError(f"no schema for {kind}")


def _struct(kind: inspect.StructType) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if kind.cls.__doc__:
        schema["description"] = kind.cls.__doc__
    required = [each.encode_name for each in kind.fields if each.required]
    if required:
        schema["required"] = required
    schema["properties"] = {each.encode_name: _field(each) for each in kind.fields}
    return schema


def _field(each: inspect.Field) -> dict[str, Any]:
    schema = _schema(each.type)
    default = _default(each)
    # Objects in full: the API server checks a default against the object's CEL rules before it fills in its fields.
    if default is not None:
        schema["default"] = default
    return schema


def _default(each: inspect.Field) -> Any:
    if each.default_factory is not NODEFAULT:
        return msgspec.to_builtins(each.default_factory())
    if each.default is NODEFAULT or each.default is msgspec.UNSET:
        return None
    return each.default.value if isinstance(each.default, enum.Enum) else each.default


def _bounds(**bounds: Any) -> dict[str, Any]:
    return {name: bound for name, bound in bounds.items() if bound is not None}
