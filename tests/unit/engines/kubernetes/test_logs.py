"""The log of a container that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from buildonce.engines.kubernetes import pods
from buildonce.engines.kubernetes.kubectl import Kubectl
from buildonce.engines.kubernetes.logs import Logs
from buildonce.engines.kubernetes.pods import Pod

GONE = (
    'failed to try resolving symlinks in path "/var/log/pods/shop_api_1/api/2.log": '
    "lstat /var/log/pods/shop_api_1: no such file or directory"
)


@dataclass(frozen=True)
class Answers:
    """kubectl, with the logs of a container: the present one's and the previous one's."""

    present: str
    previous: str

    def tail(self, *arguments: str, lines: int) -> list[str]:
        found = self.previous if "--previous" in arguments else self.present
        return [found] if found else []


WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}
RUNNING: Mapping[str, Any] = {"running": {}}


def pod(state: Mapping[str, Any]) -> Pod:
    """A pod whose container has crashed twice."""
    return pods.read(
        {
            "metadata": {"name": "api-1", "uid": "1"},
            "spec": {"containers": [{"name": "api"}]},
            "status": {"containerStatuses": [{"name": "api", "state": state, "restartCount": 2}]},
        }
    )


@pytest.mark.parametrize(
    ("state", "present", "previous", "shown"),
    [
        (WAITING, "third", "second", ["third"]),
        (RUNNING, "fourth", "third", ["third"]),
        (WAITING, GONE, "second", ["second"]),
        (RUNNING, "fourth", "", ["fourth"]),
        (WAITING, GONE, GONE, []),
    ],
)
def test_the_log_is_the_one_of_what_failed(
    state: Mapping[str, Any], present: str, previous: str, shown: list[str]
) -> None:
    """What ended last is shown; what a kubelet says of a log that it removed is no log."""
    failed = pod(state)
    logs = Logs(cast(Kubectl, Answers(present, previous)))
    assert logs.tail(failed, failed.containers[0]) == shown
