"""The configuration files of the cluster's programs, as functions of where things are.

All are JSON, which is YAML too, but containerd's (TOML) and CoreDNS's.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab.registry import Credentials

from .certificates import AUTHORITY, Authority

NODE = "lab"
BRIDGE = "pods"
PODS = "10.244.0.0/16"
NODE_PODS = "10.244.0.0/24"
GATEWAY = "10.244.0.1"
SERVICES = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
PLUGINS = "/usr/lib/cni"
MOST_PODS = 200


def kubeconfig(server: str, authority: Authority, user: str) -> str:
    """How a client of the API reaches it, with its certificate inside."""
    return _json(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [
                {
                    "name": "lab",
                    "cluster": {
                        "server": server,
                        "certificate-authority": str(authority.certificate(AUTHORITY)),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": str(authority.certificate(user)),
                        "client-key": str(authority.key(user)),
                    },
                }
            ],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        }
    )


def etcd(data: Path) -> str:
    """The store of the API's objects; it may lose what it has with the machine."""
    clients, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return _json(
        {
            "name": "lab",
            "data-dir": str(data),
            "unsafe-no-fsync": True,
            "log-level": "warn",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"lab={peers}",
        }
    )


def authorization() -> str:
    """Who may do what: the kubelet its node's things, everybody what roles give them."""
    return _json(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": [{"type": kind, "name": kind.lower()} for kind in ("Node", "RBAC")],
        }
    )


def scheduler(kubeconfig: Path) -> str:
    """The scheduler, alone."""
    return _json(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "leaderElection": {"leaderElect": False},
        }
    )


def proxy(kubeconfig: Path) -> str:
    """Services, by iptables.

    All of their traffic is masqueraded: pods on one bridge would otherwise answer each other
    directly, past the address that was asked.
    """
    unlimited = "0s"
    return _json(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": PODS,
            "hostnameOverride": NODE,
            "mode": "iptables",
            "iptables": {"masqueradeAll": True, "minSyncPeriod": "100ms"},
            # these limits belong to the whole machine
            "conntrack": {
                "maxPerCore": 0,
                "tcpEstablishedTimeout": unlimited,
                "tcpCloseWaitTimeout": unlimited,
            },
        }
    )


def dns(kubeconfig: Path) -> str:
    """Services by their names."""
    return (
        f".:53 {{\n  bind {GATEWAY}\n  errors\n"
        "  kubernetes cluster.local in-addr.arpa {\n"
        f"    kubeconfig {kubeconfig}\n    ttl 1\n  }}\n}}\n"
    )


def network(addresses: Path, mtu: int) -> str:
    """The pods' network: one bridge, and their addresses, kept in `addresses`."""
    ipam = {
        "type": "host-local",
        "dataDir": str(addresses),
        "ranges": [[{"subnet": NODE_PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True}
    plugins = [{**bridge, "mtu": mtu, "ipam": ipam}]
    return _json({"cniVersion": "1.0.0", "name": "lab", "plugins": plugins})


def registry_hosts(registry: str, credentials: Credentials | None) -> str:
    """How containerd speaks to the lab's registry: over plain HTTP."""
    address = f"http://{registry}"
    text = f'server = "{address}"\n[host."{address}"]\ncapabilities = ["pull", "resolve"]\n'
    if credentials:
        text += f'[host."{address}".header]\nauthorization = "Basic {credentials.encode()}"\n'
    return text


def containerd(*, root: Path, state: Path, socket: Path, hosts: Path, cni: Path, pause: str) -> str:
    """The containers' runtime, for a root that may lack CAP_SYS_RESOURCE."""
    return f"""\
version = 3
root = "{root}"
state = "{state}"
[grpc]
address = "{socket}"
[ttrpc]
address = "{socket}.ttrpc"
[debug]
level = "warn"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "{hosts}"
[plugins.'io.containerd.cri.v1.runtime']
netns_mounts_under_state_dir = true
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{PLUGINS}"]
conf_dir = "{cni}"
"""


def kubelet(*, socket: Path, authority: Path, cgroup: str) -> str:
    """The node.

    It has a cgroup of its own, for a kubelet removes the cgroups of pods that it does not know,
    and nothing of the machine is reserved for it or watched by it.
    """
    return _json(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(authority)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "oomScoreAdj": 0,
            "clusterDNS": [GATEWAY],
            "clusterDomain": "cluster.local",
            "evictionHard": {
                "memory.available": "1Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            "readOnlyPort": 0,
            "serializeImagePulls": False,
            "registryPullQPS": 0,
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
            "maxPods": MOST_PODS,
        }
    )


def volume(folder: Path) -> dict[str, object]:
    """A volume for a claim: a folder of the lab's."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": folder.name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(folder)},
        },
    }


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"
