"""The manager of a Swarm, as the docker client shows it: a stand-in that starts no process."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from buildonce.engines.base import Deployment, Target
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker, Refused
from buildonce.refs import ImageRef, Repository
from tests.kit.samples import digest, files, revision

STACK = "shop"
DEPLOYING = "stack deploy --compose-file - --with-registry-auth --resolve-image never --detach=true"
NAMESPACE = "com.docker.stack.namespace"
NOTED = "com.docker.stack.image"
WEB = Repository("r.example", "shop/web").at(digest("web"))
BUNDLE = "services: {web: {image: '${BUILDONCE_IMAGE_WEB}'}}"
NODE = {"ID": "n1", "Description": {"Hostname": "host1"}, "Status": {"State": "ready"}}

_LOOKS = 60


def service(
    name: str, image: str, *, mode: str = "Replicated", stack: str = STACK, **more: Any
) -> dict[str, Any]:
    """What `docker inspect --type service` prints; `more` is said beside its specification."""
    made = f"{stack}_{name}"
    return {
        "ID": digest(made)[7:32],
        "Spec": {
            "Name": made,
            "Labels": {NAMESPACE: stack, NOTED: image},
            "TaskTemplate": {"ContainerSpec": {"Image": image}},
            "Mode": {mode: {}},
        },
        **more,
    }


def task(
    of: Mapping[str, Any], state: str = "running", *, name: str = "1", node: str = "n1", **more: Any
) -> dict[str, Any]:
    """What `docker inspect --type task` prints of a service's task."""
    return {
        "ID": f"{of['Spec']['Name']}.{name}",
        "CreatedAt": f"2026-11-23T12:00:0{name}Z",
        "Spec": of["Spec"]["TaskTemplate"],
        "ServiceID": of["ID"],
        "Slot": 1,
        "NodeID": node,
        "Status": {"State": state, "Message": f"said {state}"},
        "DesiredState": "complete" if "ReplicatedJob" in of["Spec"]["Mode"] else "running",
        **more,
    }


@dataclass(frozen=True)
class Manager(Docker):
    """A docker client whose engine has what it is given.

    A stack that is deployed is there at once: a service that may end with 0 has ended, others
    run, but for those that `outcomes` gives the state of another task. A call that begins with
    the words of one of `refusals` fails with its complaint.
    """

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    deployed: list[dict[str, Any]] = field(default_factory=list)
    looking: list[Callable[[], None]] = field(default_factory=list)

    def line(self, *arguments: str) -> str:
        return shlex.join(["docker", *arguments])

    def run(
        self, *arguments: str, text: str = "", variables: Mapping[str, str] | None = None,
        isolated: bool = False, limit: float | None = 60.0,
    ) -> str:  # fmt: skip
        call = " ".join(arguments)
        self.calls.append(call)
        for words, complaint in self.refusals.items():
            if call.startswith(words):
                raise Refused(complaint)
        answer = _ANSWERS.get(arguments[:2], _nothing)
        return answer(self, arguments, text)

    def config(
        self, *words: str, options: Sequence[str] = (), text: str = "",
        variables: Mapping[str, str] | None = None, isolated: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        self.calls.append(" ".join(("compose", *words, "config", "--format", "json", *options)))
        read: dict[str, Any] = yaml.safe_load(text)
        return read

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        self.calls.append(f"inspect {kind}")
        return [
            one
            for one in self.objects.get(kind, [])
            if any(_is_called(one, name) for name in names)
        ]

    def log_tail(self, *arguments: str) -> list[str]:
        self.calls.append(" ".join(arguments))
        return ["last words"]

    def require_answer(self) -> None:
        self.calls.append("version")

    def add(self, *added: dict[str, Any]) -> None:
        """Have the engine know services and tasks."""
        for one in added:
            self.objects.setdefault("task" if "ServiceID" in one else "service", []).append(one)

    def changes(self) -> list[str]:
        """The calls so far that changed something."""
        changing = ("stack deploy", "service rm", "service update", "pull")
        return [call for call in self.calls if call.startswith(changing)]

    def remove(self, name: str) -> None:
        """Have the engine forget a service and its tasks."""
        gone = [one for one in self.objects.get("service", []) if one["Spec"]["Name"] == name]
        for one in gone:
            self.objects["service"].remove(one)
            tasks = self.objects.get("task", [])
            self.objects["task"] = [other for other in tasks if other["ServiceID"] != one["ID"]]


def manager(target: Target | None = None, **made: Any) -> Manager:
    """A manager with one node."""
    there = Manager(target or Target("production", "swarm", project=STACK), **made)
    there.objects.setdefault("node", [NODE])
    return there


def definition(
    docker: Docker, bundle: str = BUNDLE, images: Mapping[str, ImageRef] | None = None
) -> Definition:
    """A release of `web` on its way to a stack."""
    given = {"web": WEB} if images is None else images
    deployment = Deployment(docker.target, revision(1)[:12], files(), given, bundle=bundle)
    return Definition(deployment, docker)


def _is_called(one: Mapping[str, Any], name: str) -> bool:
    names = {one.get("Name"), (one.get("Spec") or {}).get("Name"), *one.get("RepoDigests", ())}
    return name in names or str(one.get("ID") or one.get("Id")).startswith(name)


def _nothing(_: Manager, _arguments: tuple[str, ...], _text: str) -> str:
    return ""


def _list_services(there: Manager, arguments: tuple[str, ...], _text: str) -> str:
    services = there.objects.get("service", [])
    if "--quiet" in arguments:
        return "\n".join(one["ID"] for one in services)
    assert there.calls.count(" ".join(arguments)) <= _LOOKS, "nobody waits that long"
    if there.looking:
        there.looking.pop(0)()
    services = there.objects.get("service", [])
    wanted = arguments[arguments.index("--filter") + 1].rpartition("=")[2]
    own = [one for one in services if one["Spec"]["Labels"].get(NAMESPACE) == wanted]
    return "\n".join(f"{one['ID'][:12]} {one.get('replicas', '0/1')}" for one in own)


def _list_tasks(there: Manager, arguments: tuple[str, ...], _text: str) -> str:
    services = [word for word in arguments[2:] if not word.startswith("--")]
    assert services, '"docker service ps" requires at least 1 argument'
    tasks = there.objects.get("task", [])
    return "\n".join(one["ID"] for one in tasks if one["ServiceID"][:12] in services)


def _list_nodes(there: Manager, _arguments: tuple[str, ...], _text: str) -> str:
    return "\n".join(one["ID"] for one in there.objects["node"])


def _remove(there: Manager, arguments: tuple[str, ...], _text: str) -> str:
    there.remove(arguments[-1])
    return ""


def _deploy(there: Manager, arguments: tuple[str, ...], text: str) -> str:
    model = yaml.safe_load(text)
    there.deployed.append(model)
    for name, settings in (model.get("services") or {}).items():
        deploy = settings.get("deploy") or {}
        is_job = deploy.get("mode") == "replicated-job"
        condition = (deploy.get("restart_policy") or {}).get("condition", "any")
        there.remove(f"{arguments[-1]}_{name}")
        made = service(name, settings["image"], mode="ReplicatedJob" if is_job else "Replicated")
        made["Spec"]["TaskTemplate"]["RestartPolicy"] = {"Condition": condition}
        usual = "complete" if condition == "none" else "running"
        there.add(made, task(made, there.outcomes.get(name, usual), name="9"))
    return ""


def _info(_there: Manager, _arguments: tuple[str, ...], _text: str) -> str:
    return "true\n"


_ANSWERS: Mapping[tuple[str, ...], Callable[[Manager, tuple[str, ...], str], str]] = {
    ("service", "ls"): _list_services,
    ("service", "ps"): _list_tasks,
    ("service", "rm"): _remove,
    ("node", "ls"): _list_nodes,
    ("stack", "deploy"): _deploy,
    ("info", "--format"): _info,
}
