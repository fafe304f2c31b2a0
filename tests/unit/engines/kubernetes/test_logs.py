"""The log of a container that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from buildonce.engines.kubernetes import pods
from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.logs import Logs
from buildonce.engines.kubernetes.pods import Pod
from tests.kit.recorded_kubectl import Answer, Recorded, thing

GONE = (
    'failed to try resolving symlinks in path "/var/log/pods/shop_api_1/api/2.log": '
    "lstat /var/log/pods/shop_api_1: no such file or directory"
)


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
    answers = {
        "logs --tail=20 api-1 --container=api": present,
        "logs --tail=20 api-1 --container=api --previous": previous,
    }
    assert Logs(Recorded(answers=answers)).tail(failed, failed.containers[0]) == shown


def with_secret(answer: Answer) -> list[str]:
    """The log of a pod that refers to a Secret, which is read with this answer."""
    referring = replace(pod(WAITING), secrets=frozenset({"two", "one"}))
    answers = {"logs": "key is hunter22, port 80\n", "get secret": "", "get secret one": answer}
    return Logs(Recorded(answers=answers)).tail(referring, None)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"key": "aHVudGVyMjI="}, "key is ***, port 80"),
        ({"key": "not base64!", "other": "aHVudGVyMjI="}, "key is ***, port 80"),
        (None, "key is hunter22, port 80"),
    ],
)
def test_what_secrets_contain_is_hidden(data: Mapping[str, str] | None, line: str) -> None:
    """Of every Secret that the pod refers to; one that is not there contains nothing."""
    assert with_secret(thing("Secret", "one", data=data)) == [line]


def test_a_log_is_not_shown_where_its_secrets_may_not_be_read() -> None:
    """What could not be hidden is not printed; it is told which Secrets that are."""
    (line,) = with_secret(Refused("(Forbidden)"))
    assert "its log is not shown" in line
    assert "Secret one, two contains" in line


def test_a_pod_without_containers_has_no_log() -> None:
    """There is nothing to ask for; the command for all of them can be told."""
    empty, logs = replace(pod(WAITING), containers=()), Logs(Recorded())
    assert logs.tail(empty, None) == []
    assert logs.line(empty, None).endswith("logs api-1 --all-containers")
