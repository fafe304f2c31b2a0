"""What is told of what the API server refuses."""

from __future__ import annotations

import pytest

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.applying import dry_run
from buildonce.engines.kubernetes.kubectl import Kubectl, Refused
from buildonce.errors import PreconditionError

TARGET = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")
DEPLOYMENT = Deployment(TARGET, "0" * 12, Files((), lambda folder: folder, lambda _: ""), {})


class Refusing(Kubectl):
    """A kubectl whose API server refuses a Job with another template."""

    def run(self, *arguments: str, text: str = "", limit: float = 0) -> str:
        value = '{"labels":{"a":"b"},"Spec":{"Volumes":null,' + '"Containers":null,' * 50 + "}}"
        raise Refused(
            f'The Job "seed" is invalid: spec.template: Invalid value: {value}: field is immutable'
        )


def test_a_refusal_is_short_enough_to_be_read() -> None:
    """The object, the field and the reason are told, without all that the field holds."""
    with pytest.raises(PreconditionError) as refused:
        dry_run(Refusing(TARGET), [], DEPLOYMENT)
    assert refused.value.message.splitlines()[1:] == [
        '  The Job "seed" is invalid: spec.template: Invalid value: …: field is immutable'
    ]
    assert "pre_deploy" in refused.value.hint
