"""What a CustomResourceDefinition has served, as ownerReferences name it."""

from typing import Final

import msgspec

from seconder.admission import codec
from seconder.admission.dependents import Kind, kind_key
from seconder.admission.request import Request

DEFINES: Final = 'request.resource.group == "apiextensions.k8s.io" && request.operation in ["CREATE", "UPDATE"]'
"""What asks about definitions that are written, in CEL. Several rules do: it stands in the configuration once."""


class _Names(msgspec.Struct):
    kind: str = ""


class _Version(msgspec.Struct):
    name: str = ""
    served: bool = False


class _Definition(msgspec.Struct):
    group: str = ""
    names: _Names = msgspec.field(default_factory=_Names)
    versions: list[_Version] | None = None


_spec: Final = msgspec.json.Decoder(_Definition | None)


def keys(request: Request) -> frozenset[str]:
    """The keys of the owners that the garbage collector can look for once this definition is there.

    It knows a kind by its name in small letters as well, and takes there to be lists (client-go's
    ``NewDiscoveryRESTMapper``): it asks for such owners too, and finds none.
    """
    definition: _Definition | None = codec.read(request, _spec, request.new_spec, "the definition")
    if definition is None:
        return frozenset()
    kind = definition.names.kind
    return frozenset(
        kind_key(Kind(f"{definition.group}/{version.name}", name))
        for version in definition.versions or ()
        if version.served
        for name in (kind, kind.lower(), f"{kind}List", "List")
    )
