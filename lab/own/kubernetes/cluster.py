"""One cluster: its daemons in the order in which they need each other, and when it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.model import Part, Record
from lab.own import daemons, network, supplies
from lab.own.daemons import Daemon
from lab.place import Place
from lab.processes import wait_until
from lab.registry import Credentials
from lab.shell import run

from . import settings
from .api import PORT, Api
from .certificates import AUTHORITY, SERVICE_ACCOUNTS, Authority, Identity
from .programs import COMPONENTS, DNS

NAME = "kubernetes"
LAST_BYTE = 10
ADMIN = "admin"
VOLUMES = 20
CGROUPS = Path("/sys/fs/cgroup")
READY_SECONDS = 90.0
PROGRAMS = ("etcd", "containerd", *COMPONENTS, DNS)
"""The names of its processes."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster of one node in a lab, its programs in `programs`, pulling from `registry`.

    `pause` is the image of every pod's sandbox.
    """

    place: Place
    subnet: str
    mtu: int
    registry: str
    pause: str
    programs: Path
    credentials: Credentials | None = None

    @property
    def address(self) -> str:
        """Where its API and its node ports answer."""
        return str(network.lab(self.subnet)[LAST_BYTE])

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"https://{self.address}:{PORT}"

    @property
    def kubeconfig(self) -> Path:
        """What its administrator's KUBECONFIG names."""
        return self._configuration(ADMIN)

    @property
    def host(self) -> network.Host:
        """The network namespace that all of it runs in."""
        return network.Host(
            name=NAME,
            namespace=self.place.interface("k"),
            port=self.place.interface("kv"),
            identity=self.place.run / f"{NAME}.uts",
            address=self.address,
        )

    @cached_property
    def authority(self) -> Authority:
        """Its certificates."""
        return Authority(self._state / "pki")

    @property
    def api(self) -> Api:
        """Its API, asked by its administrator."""
        return Api(self.address, self.authority, ADMIN)

    def ensure(self, record: Record) -> None:
        """Have all of it running, and wait until pods can run.

        Raises:
            LabError: a part did not start.
        """
        self._prepare()
        daemons.ensure([self._etcd(), self._containerd()], self.place, record)
        daemons.ensure([self._apiserver()], self.place, record)
        controllers = [self._manager(), self._scheduler(), self._proxy(), self._dns()]
        daemons.ensure([self._kubelet(), *controllers], self.place, record)
        for folder in self._volumes():
            self.api.create("/api/v1/persistentvolumes", settings.volume(folder))
        kubelet = record.processes["kubelet"]
        log = self.place.log("kubelet")
        wait_until(self.ready, kubelet, name="node", log=log, seconds=READY_SECONDS)

    def ready(self) -> bool:
        """Whether its node takes pods."""
        node = self.api.get(f"/api/v1/nodes/{settings.NODE}")
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        if node is None or node["spec"].get("taints") or self.api.get(account) is None:
            return False
        conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", [])}
        return conditions.get("Ready") == "True"

    def parts(self, record: Record) -> list[Part]:
        """Each of its daemons."""
        every = [record.processes.get(name) for name in PROGRAMS]
        parts = [
            Part(
                name=name,
                address="",
                pid=process.pid if process else None,
                running=bool(process and process.alive),
            )
            for name, process in zip(PROGRAMS, every, strict=True)
        ]
        node = Part(name=NAME, address=self.url, pid=None, running=self.ready())
        return [node, *parts]

    def _prepare(self) -> None:
        bridge = self.place.interface("n")
        network.ensure_host(self.host, bridge=bridge, network=network.lab(self.subnet))
        self._ensure_pods_network()
        self.authority.ensure(self._identities())
        for identity in self._identities():
            text = settings.kubeconfig(self.url, self.authority, identity.name)
            _write(self._configuration(identity.name), text)
        hosts = self._state / "certs.d" / self.registry / "hosts.toml"
        _write(hosts, settings.registry_hosts(self.registry, self.credentials))
        _write(self._state / "cni/lab.conflist", settings.network(self._state / "ipam", self.mtu))
        for folder in self._volumes():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
        _ensure_cgroup(self._cgroup)

    def _ensure_pods_network(self) -> None:
        """A bridge with the pods' gateway before the first pod: DNS answers at its address."""
        inside = ["ip", "-n", self.host.namespace]
        gateway = network.Subnet(settings.NODE_PODS)
        if f" {settings.BRIDGE}: " not in run([*inside, "-o", "link", "show"]):
            link = ["address", network.link_address(gateway), "type", "bridge"]
            run([*inside, "link", "add", settings.BRIDGE, *link])
        address = f"{settings.GATEWAY}/{gateway.prefixlen}"
        run([*inside, "address", "replace", address, "dev", settings.BRIDGE])
        run([*inside, "link", "set", settings.BRIDGE, "up"])
        outward = ["-s", settings.PODS, "-o", "eth0", "-j", "MASQUERADE"]
        rules = [*self.host.entrance(), "iptables", "-w", "-t", "nat"]
        if "MASQUERADE" not in run([*rules, "-S", "POSTROUTING"]):
            run([*rules, "-A", "POSTROUTING", *outward])

    def _identities(self) -> list[Identity]:
        here = [self.address, "127.0.0.1", settings.KUBERNETES_SERVICE]
        names = ["localhost", "kubernetes.default.svc"]
        addresses = [*(f"IP:{one}" for one in here), *(f"DNS:{one}" for one in names)]
        node = f"system:node:{settings.NODE}"
        return [
            Identity(name="apiserver", user="kube-apiserver", addresses=addresses),
            Identity(name=ADMIN, user=ADMIN, group="system:masters"),
            Identity(name="node", user=node, group="system:nodes"),
            Identity(name="manager", user="system:kube-controller-manager"),
            Identity(name="scheduler", user="system:kube-scheduler"),
            Identity(name="proxy", user="system:kube-proxy"),
        ]

    def _etcd(self) -> Daemon:
        file = self._run / "etcd.json"
        # it has to listen on loopback, which the namespace has for itself
        return self._daemon(
            "etcd",
            [str(supplies.etcd()), "--config-file", str(file)],
            file,
            settings.etcd(self._state / "etcd"),
            ready=lambda: True,
        )

    def _containerd(self) -> Daemon:
        file = self._run / "containerd.toml"
        text = settings.containerd(
            root=self._state / "containerd",
            state=self._run / "containerd",
            socket=self._socket,
            hosts=self._state / "certs.d",
            cni=self._state / "cni",
            pause=self.pause,
        )
        command = ["containerd", "--config", str(file)]
        return self._daemon("containerd", command, file, text, ready=self._socket.exists)

    def _apiserver(self) -> Daemon:
        pki, file = self.authority, self._run / "authorization.json"
        options = {
            "etcd-servers": "http://127.0.0.1:2379",
            "secure-port": PORT,
            "advertise-address": self.address,
            "authorization-config": file,
            "tls-cert-file": pki.certificate("apiserver"),
            "tls-private-key-file": pki.key("apiserver"),
            "client-ca-file": pki.certificate(AUTHORITY),
            "service-account-key-file": pki.key(SERVICE_ACCOUNTS),
            "service-account-signing-key-file": pki.key(SERVICE_ACCOUNTS),
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-cluster-ip-range": settings.SERVICES,
            "allow-privileged": "true",
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-client-certificate": pki.certificate(ADMIN),
            "kubelet-client-key": pki.key(ADMIN),
            # a cluster that is killed should not keep its port for a minute
            "shutdown-delay-duration": "0s",
        }
        text = settings.authorization()
        return self._component("kube-apiserver", options, file, text, ready=self.api.ready)

    def _manager(self) -> Daemon:
        pki = self.authority
        options = {
            "leader-elect": "false",
            "service-account-private-key-file": pki.key(SERVICE_ACCOUNTS),
            "root-ca-file": pki.certificate(AUTHORITY),
            "use-service-account-credentials": "true",
            "allocate-node-cidrs": "true",
            "cluster-cidr": settings.PODS,
            "service-cluster-ip-range": settings.SERVICES,
            # a test need not wait for a minute to see a node that is gone
            "node-monitor-grace-period": "20s",
        }
        return self._client("kube-controller-manager", "manager", options)

    def _scheduler(self) -> Daemon:
        file = self._run / "scheduler.json"
        text = settings.scheduler(self._configuration("scheduler"))
        return self._component("kube-scheduler", {"config": file}, file, text)

    def _proxy(self) -> Daemon:
        file = self._run / "proxy.json"
        text = settings.proxy(self._configuration("proxy"))
        return self._component("kube-proxy", {"config": file}, file, text)

    def _dns(self) -> Daemon:
        file = self._run / "Corefile"
        command = [str(self.programs / DNS), "-conf", str(file)]
        return self._daemon(DNS, command, file, settings.dns(self.kubeconfig))

    def _kubelet(self) -> Daemon:
        file = self._run / "kubelet.json"
        options = {
            "config": file,
            "kubeconfig": self._configuration("node"),
            "hostname-override": settings.NODE,
            # without it, the node's own name is looked up, for 20 s where nobody answers
            "node-ip": self.address,
            "root-dir": self._state / "kubelet",
        }
        text = settings.kubelet(
            socket=self._socket,
            authority=self.authority.certificate(AUTHORITY),
            cgroup=f"/{self._cgroup}",
        )
        return self._component("kubelet", options, file, text)

    def _client(self, program: str, user: str, options: dict[str, object]) -> Daemon:
        """A program that takes no configuration file but its access to the API."""
        file = self._run / f"{user}.kubeconfig"
        text = settings.kubeconfig(self.url, self.authority, user)
        return self._component(program, {"kubeconfig": file, **options}, file, text)

    def _component(
        self,
        program: str,
        options: Mapping[str, object],
        file: Path,
        text: str,
        ready: Callable[[], bool] = lambda: True,
    ) -> Daemon:
        flags = [f"--{name}={value}" for name, value in options.items()]
        return self._daemon(program, [str(self.programs / program), *flags], file, text, ready)

    def _daemon(
        self,
        name: str,
        command: list[str],
        file: Path,
        text: str,
        ready: Callable[[], bool] = lambda: True,
    ) -> Daemon:
        inside = [*self.host.entrance(), *command]
        return Daemon(name=name, command=inside, file=file, configuration=text, ready=ready)

    def _volumes(self) -> list[Path]:
        return [self._state / f"volumes/volume-{number:02}" for number in range(VOLUMES)]

    def _configuration(self, user: str) -> Path:
        return self._state / f"{user}.kubeconfig"

    @property
    def _cgroup(self) -> str:
        return f"{self.place.mark}/{NAME}"

    @property
    def _state(self) -> Path:
        return self.place.state / NAME

    @property
    def _run(self) -> Path:
        return self.place.run / NAME

    @property
    def _socket(self) -> Path:
        return self._run / "containerd.sock"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _ensure_cgroup(path: str) -> None:
    """Make a cgroup in every hierarchy, with all controllers in version 2."""
    if (CGROUPS / "cgroup.controllers").exists():
        folder = CGROUPS
        for part in Path(path).parts:
            controllers = (folder / "cgroup.controllers").read_text().split()
            given = " ".join(f"+{one}" for one in controllers)
            (folder / "cgroup.subtree_control").write_text(given)
            folder = folder / part
            folder.mkdir(exist_ok=True)
        return
    for hierarchy in CGROUPS.iterdir():
        if hierarchy.is_dir() and not hierarchy.is_symlink():
            (hierarchy / path).mkdir(parents=True, exist_ok=True)
