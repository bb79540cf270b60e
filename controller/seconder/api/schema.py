"""Structural OpenAPI v3 schemas with CEL, made from the types that parse the documents."""

import enum
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct, inspect

from seconder.api.duration import Duration


class Strict(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Names as in Kubernetes, and no field that is not known."""


def cel_rules(*rules: tuple[str, str]) -> dict[str, Any]:
    """The schema's part that holds CEL rules, each with its message."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}


SET: Final = {"x-kubernetes-list-type": "set"}


def list_map(key: str) -> dict[str, Any]:
    """The schema's part that makes a list a map by this field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def schema_of(model: Any) -> dict[str, Any]:
    """The structural schema of a msgspec type.

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
        wanted = [member for member in kind.types if type(member).__name__ != "UnsetType"]
        if len(wanted) == 1:
            return _schema(wanted[0])
        if {inspect.IntType, inspect.StrType} == {type(_bare(member)) for member in wanted}:
            # The one union that a structural schema has; the API server takes no bounds in its members.
            return {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    simple: dict[type, dict[str, Any]] = {
        inspect.BoolType: {"type": "boolean"},
        inspect.DateTimeType: {"type": "string", "format": "date-time"},
    }
    if isinstance(kind, inspect.CustomType) and kind.cls is Duration:
        return {"type": "string"}
    if type(kind) in simple:
        return dict(simple[type(kind)])
    if isinstance(kind, inspect.DictType):
        plain = isinstance(kind.value_type, inspect.AnyType)
        return {"type": "object"} | ({} if plain else {"additionalProperties": _schema(kind.value_type)})
    if isinstance(kind, inspect.StrType):
        return {"type": "string"} | _bounds(minLength=kind.min_length, maxLength=kind.max_length, pattern=kind.pattern)
    if isinstance(kind, inspect.IntType):
        return {"type": "integer", "format": "int64"} | _bounds(minimum=kind.ge, maximum=kind.le)
    if isinstance(kind, inspect.ListType | inspect.FrozenSetType):
        items = {"items": _schema(kind.item_type)}
        return {"type": "array"} | items | _bounds(minItems=kind.min_length or None, maxItems=kind.max_length)
    if isinstance(kind, inspect.EnumType):
        return {"type": "string", "enum": [member.value for member in kind.cls]}
    if isinstance(kind, inspect.LiteralType):
        return {"type": "string", "enum": list(kind.values)}
    raise TypeError(f"no schema for {kind}")


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _struct(kind: inspect.StructType) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if kind.cls.__doc__:
        schema["description"] = kind.cls.__doc__
    required = [field.encode_name for field in kind.fields if field.required]
    if required:
        schema["required"] = required
    schema["properties"] = {field.encode_name: _field(field) for field in kind.fields}
    return schema


def _field(field: inspect.Field) -> dict[str, Any]:
    schema = _schema(field.type)
    default = _default(field)
    # Objects in full: the API server checks a default against the object's CEL rules before it fills in its fields.
    if default is not None:
        schema["default"] = default
    return schema


def _default(field: inspect.Field) -> Any:
    if field.default_factory is not NODEFAULT:
        return _plain(field.default_factory())
    if field.default is NODEFAULT or field.default is msgspec.UNSET:
        return None
    return _plain(field.default)


def _place(member: Any) -> Any:
    """Where a member stands in a list: as its enumeration lists it, or by its text."""
    return list(type(member)).index(member) if isinstance(member, enum.Enum) else member


def _plain(value: Any) -> Any:
    """A default as it stands in a document."""
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, frozenset):
        # As the enumeration lists them; other texts by their order.
        return [_plain(member) for member in sorted(value, key=_place)]
    if isinstance(value, Struct):
        return {field.encode_name: _plain(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
    return value.value if isinstance(value, enum.Enum) else value


def _bounds(**bounds: Any) -> dict[str, Any]:
    return {name: bound for name, bound in bounds.items() if bound is not None}
