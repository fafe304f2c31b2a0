"""How objects are applied, and what is told of what the API server refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.engines.kubernetes import applying
from buildonce.engines.kubernetes.applying import dry_run, persistently
from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import LABEL
from buildonce.errors import DeployError, PreconditionError, UnavailableError
from tests.kit.recorded_kubectl import SILENCE, Answer, Recorded, Turns, bound, thing, workload

APPLY = "apply --server-side --field-manager=buildonce --force-conflicts"
VALUE = '{"labels":{"a":"b"},"Spec":{"Volumes":null,' + '"Containers":null,' * 50 + "}}"
IMMUTABLE_JOB = (
    f'The Job "seed" is invalid: spec.template: Invalid value: {VALUE}: field is immutable'
)
SETTINGS = Manifest(thing("ConfigMap", "settings"))


def refusing(complaint: str) -> Recorded:
    return Recorded(answers={"apply": Refused(complaint)})


def asked(*answers: Answer) -> tuple[Recorded, list[str]]:
    """Get pods of an API that answers so, persistently; with what was told meanwhile."""
    told: list[str] = []
    kubectl = Recorded(answers={"get pods": Turns(*answers)})
    persistently(lambda: kubectl.run("get", "pods"), told.append)
    return kubectl, told


def test_an_api_that_is_silent_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control plane may be away for a moment: it is said once, and waited for."""
    monkeypatch.setattr(applying, "_PAUSE", 0.0)
    kubectl, told = asked(SILENCE, SILENCE, "pods")
    assert len(kubectl.calls) == 3
    assert told == ["the Kubernetes API does not answer; waiting for it"]


def test_an_api_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute its silence is the error."""
    monkeypatch.setattr(applying, "SILENCE", 0.0)
    with pytest.raises(UnavailableError) as silent:
        asked(SILENCE, "pods")
    assert silent.value is SILENCE


def test_a_refusal_is_not_asked_for_again() -> None:
    """What the API server has refused, it would refuse again."""
    with pytest.raises(Refused, match="quota"):
        asked(Refused("exceeded quota"), "pods")


def test_a_dry_run_checks_all_as_it_would_be_applied() -> None:
    """One call has every object with our label, and changes nothing."""
    kubectl = Recorded(answers={f"{APPLY} --dry-run=server": "configmap/settings\n"})
    dry_run(kubectl, [SETTINGS, Manifest(thing("Service", "api"))], bound())
    ((_, text),) = kubectl.calls
    assert [one["metadata"]["labels"] for one in json.loads(text)["items"]] == [{LABEL: "shop"}] * 2


def test_a_refusal_is_short_enough_to_be_read() -> None:
    """The object, the field and the reason are told, without all that the field holds."""
    with pytest.raises(PreconditionError) as refused:
        dry_run(refusing(f"{IMMUTABLE_JOB}\n\n"), [], bound())
    assert refused.value.message.splitlines()[1:] == [
        '  The Job "seed" is invalid: spec.template: Invalid value: …: field is immutable'
    ]


@pytest.mark.parametrize(
    ("complaint", "remedy"),
    [
        (IMMUTABLE_JOB, "a Job runs once: give it a new name"),
        (
            (
                'The StatefulSet "db" is invalid: spec: Forbidden: updates to statefulset spec for '
                "fields other than 'replicas' are forbidden"
            ),
            "a field that cannot change has changed: give the object a new name",
        ),
        ('The Job "seed" is invalid: spec: Required value', "correct the manifests"),
        ("Error from server (Forbidden): pods: violates PodSecurity", "get the right, or correct"),
        ('admission webhook "policy" denied: latest is forbidden', "get the right, or correct"),
    ],
)
def test_a_refusal_comes_with_its_remedy(complaint: str, remedy: str) -> None:
    """The same words for what is checked and for what is applied."""
    with pytest.raises(PreconditionError) as checked:
        dry_run(refusing(complaint), [SETTINGS], bound())
    with pytest.raises(DeployError) as refused:
        applying.apply(refusing(complaint), [SETTINGS], "shop")
    assert checked.value.hint == refused.value.hint
    assert refused.value.hint.startswith(remedy)
    assert refused.value.message.startswith("production (lab/shop): the API server refused a part")


def test_objects_are_returned_as_they_are_once_applied() -> None:
    """The API server's answer has their UIDs; nothing to apply is no call."""
    kubectl = Recorded(answers={f"{APPLY} --filename=- --output=json": [thing("ConfigMap", "a")]})
    assert applying.apply(kubectl, [], "shop") == []
    (found,) = applying.apply(kubectl, [SETTINGS], "shop")
    assert found["metadata"]["uid"] == "configmap/a"
    assert len(kubectl.calls) == 1


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (workload("Deployment"), "Deployment.v1.apps/api"),
        (thing("ConfigMap", "settings"), "ConfigMap/settings"),
    ],
)
def test_others_fields_are_taken_over(item: dict[str, Any], name: str) -> None:
    """The patch names the object with its group and version; without others there is none."""
    kubectl = Recorded(answers={"patch": ""})
    item["metadata"]["resourceVersion"] = "7"
    applying.take_over(kubectl, item)
    assert kubectl.calls == []
    edited = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {}}}
    item["metadata"]["managedFields"] = [edited]
    applying.take_over(kubectl, item)
    (line,) = kubectl.lines()
    assert line.startswith(f"patch {name} --type=json '--patch=[")


@pytest.mark.parametrize("wait", [True, False])
def test_an_object_is_removed_by_name(wait: bool) -> None:
    """With what it controls, whether it is there or not; its content is not sent."""
    kubectl = Recorded(answers={"delete --ignore-not-found": ""})
    applying.remove(kubectl, {**thing("ConfigMap", "a"), "data": {"key": "value"}}, wait=wait)
    assert f"--wait={'true' if wait else 'false'} --cascade=background" in kubectl.calls[0][0]
    assert kubectl.inputs("delete") == [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    ]


def test_an_object_is_not_waited_for_unless_asked() -> None:
    """What is no longer needed may take its time to end."""
    kubectl = Recorded(answers={"delete": ""})
    applying.remove(kubectl, thing("ConfigMap", "a"))
    assert "--wait=false" in kubectl.lines()[0]
