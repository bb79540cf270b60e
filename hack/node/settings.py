"""What containerd, its networking plugins and kubelet are told."""

import json
from pathlib import Path
from typing import Final

import yaml

from node import cgroups, network
from node.image import PAUSE
from node.prerequisites import CNI_PLUGINS

CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
"""Its default, in the node's own /run."""


def containerd(cni: Path, runc: Path) -> str:
    """The configuration of containerd (version 3). ``cni``: the folder with the network's."""
    return f"""\
version = 3

[plugins.'io.containerd.cri.v1.images']
snapshotter = 'overlayfs'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{PAUSE}'

[plugins.'io.containerd.cri.v1.runtime']
# Root may lack the right to lower the score, as in some virtual machines.
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{CNI_PLUGINS}']
conf_dir = '{cni}'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '{runc}'
SystemdCgroup = false
"""


def cni() -> str:
    """The network's configuration: a bridge. No address is translated, for this machine has a route to pods."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isDefaultGateway": True,
        "hairpinMode": True,  # a pod may reach itself by its Service
        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(network.PODS)}]]},
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}, indent=2)


def kubelet(authority: Path) -> str:
    """The configuration of kubelet. ``authority``: PEM file of the CA that its clients' certificates chain to."""
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority)}},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroups.NAME}",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "enforceNodeAllocatable": [],
        # A disk that is nearly full, or swap, is no reason not to test.
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,  # images were brought here, no registry has them
        "makeIPTablesUtilChains": False,
        "nodeStatusUpdateFrequency": "1s",
        "oomScoreAdj": 0,
        "resolvConf": "",  # pods have no DNS
    }
    return yaml.safe_dump(document)
