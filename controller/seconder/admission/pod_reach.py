"""What pods have of their node, and whether they go before others, or keep them off: told by their specification.

The guard's own pods run on nodes, too: their files hold its keys and tokens, and pods of a higher priority have it
ended.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

_CRITICAL: Final = frozenset({"system-cluster-critical", "system-node-critical"})
"""The priority classes of the cluster's own programs, and of the guard: none that anybody makes is as high."""

_HARMLESS_PATHS: Final = frozenset({"/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"})
"""Of a node. Any other may be, or hold, a link that some pod has put there, to whatever else is on the node."""

_HARMLESS: Final = frozenset(
    {
        # What Pod Security's level "baseline" lets be added.
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
        # Locks its own memory, and asks for more of what the pod is given.
        "IPC_LOCK",
        "SYS_NICE",
        "SYS_RESOURCE",
        # Looks into processes that it sees: those of the pod. kubectl debug adds it. See host_pid.
        "SYS_PTRACE",
    }
)
"""Capabilities that reach nothing of the node's, or of other pods."""

_OF_ITS_NETWORK: Final = frozenset({"NET_ADMIN", "NET_RAW"})
"""As harmless in a network of the pod's own: meshes have them added."""


class _Capabilities(Struct):
    add: list[str] | None = None


class _Windows(Struct, rename="camel"):
    host_process: bool | None = None


class _Security(Struct, rename="camel"):
    privileged: bool | None = None
    capabilities: _Capabilities | None = None
    windows_options: _Windows | None = None


class _Container(Struct, rename="camel"):
    security_context: _Security | None = None


class _Path(Struct):
    path: str = ""


class _Volume(Struct, rename="camel"):
    """A volume of a pod, or the ``spec`` of a PersistentVolume."""

    host_path: _Path | None = None
    local: _Path | None = None


class Repelling(Struct, rename="camel"):
    """A required term of podAntiAffinity: what it fits is scheduled nowhere near the pod, either (core/v1)."""

    label_selector: dict[str, Any] | None = None
    namespaces: list[str] | None = None
    namespace_selector: dict[str, Any] | None = None
    topology_key: str = ""

    def reaches_beyond(self, place: str) -> bool:
        """Whether it is about pods of other namespaces than this one, the pod's own."""
        return self.namespace_selector is not None or any(each != place for each in self.namespaces or ())


class _AntiAffinity(Struct, rename="camel"):
    required_during_scheduling_ignored_during_execution: list[Repelling] | None = None


class _Affinity(Struct, rename="camel"):
    pod_anti_affinity: _AntiAffinity | None = None


class Pod(Struct, rename="camel"):
    """What of a pod's specification (PodSpec, core/v1) has to do with its node, or with other pods."""

    priority_class_name: str | None = None
    host_network: bool | None = None
    host_pid: bool | None = field(default=None, name="hostPID")
    host_ipc: bool | None = field(default=None, name="hostIPC")
    security_context: _Security | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    ephemeral_containers: list[_Container] | None = None
    volumes: list[_Volume] | None = None
    affinity: _Affinity | None = None

    @property
    def repelling(self) -> list[Repelling]:
        """The terms by which it keeps other pods off."""
        anti = self.affinity and self.affinity.pod_anti_affinity
        return (anti and anti.required_during_scheduling_ignored_during_execution) or []

    @property
    def is_critical(self) -> bool:
        """Whether it is of the cluster's own priority."""
        return self.priority_class_name in _CRITICAL

    @property
    def reaching(self) -> str:
        """The field by which it reaches files or processes of its node, as a path in its specification; else empty."""
        for name, is_set in (("hostPID", self.host_pid), ("hostIPC", self.host_ipc)):
            if is_set:
                return name
        for index, each in enumerate(self.volumes or ()):
            if is_of_node(each):
                return f"volumes[{index}]"
        harmless = _HARMLESS if self.host_network else _HARMLESS | _OF_ITS_NETWORK
        held = ((place, _beyond(each, harmless)) for place, each in self._held)
        return next((f"{place}securityContext.{field}" for place, field in held if field), "")

    @property
    def _held(self) -> Iterator[tuple[str, _Security]]:
        """How the pod and its containers are held, and the place of each."""
        if self.security_context is not None:
            yield "", self.security_context
        listed = (
            ("containers", self.containers),
            ("initContainers", self.init_containers),
            ("ephemeralContainers", self.ephemeral_containers),
        )
        for name, containers in listed:
            for index, container in enumerate(containers or ()):
                if container.security_context is not None:
                    yield f"{name}[{index}].", container.security_context


def _beyond(held: _Security, harmless: frozenset[str]) -> str:
    """The field of a security context that reaches beyond the pod; empty where none does."""
    if held.privileged:
        return "privileged"
    if held.windows_options and held.windows_options.host_process:
        return "windowsOptions.hostProcess"
    added = {name.upper().removeprefix("CAP_") for name in (held.capabilities and held.capabilities.add) or ()}
    return "capabilities.add" if added - harmless else ""


_pod: Final = msgspec.json.Decoder(Pod | None)
volume: Final = msgspec.json.Decoder(_Volume | None)
"""Reads the ``spec`` of a PersistentVolume."""


def read(spec: Raw) -> Pod:
    """What pods of a specification have. Raises msgspec.MsgspecError."""
    return _pod.decode(spec) or Pod()


def is_of_node(volume: _Volume) -> bool:
    """Whether a volume is of its node's files."""
    return any(each is not None and each.path not in _HARMLESS_PATHS for each in (volume.host_path, volume.local))
