"""How the executor ends a promotion that fails on the way."""

from __future__ import annotations

from unittest import mock

import pytest

from buildonce.engines.base import DeployError
from buildonce.errors import BrokenError, StoppedError
from buildonce.execute.deployments import Deployments
from buildonce.execute.executor import Executor
from buildonce.execute.promotions import Holding
from buildonce.plan.plans import Plan
from buildonce.plan.steps import ClosePromotion, Deploy
from tests.unit.samples import operation, release

OPERATION = operation(release())
PLAN = Plan(
    "promotion",
    (Deploy("staging", release()), ClosePromotion("staging", OPERATION, "done")),
)


@pytest.fixture
def promotions() -> mock.Mock:
    """An environment that we hold, and in which nothing ran before."""
    made = mock.Mock(holding=Holding("staging", OPERATION))
    made.is_ours.return_value = True
    made.steps_back.return_value = (ClosePromotion("staging", OPERATION, "failed"),)
    return made


def executor(promotions: mock.Mock) -> Executor:
    """One whose engine renders a definition, and fails to deploy it."""
    hosts = mock.Mock()
    hosts.engine_of().render.return_value = "services: {}"
    hosts.engine_of().deploy.side_effect = DeployError("is unhealthy", service="api", host="h")
    deployments = Deployments(hosts, mock.Mock(), lambda: None)
    return Executor(mock.Mock(), promotions, deployments, mock.Mock(), mock.MagicMock())


def test_a_definition_that_failed_is_not_recorded(promotions: mock.Mock) -> None:
    """The ledger keeps what an environment runs by: never what was put back."""
    with pytest.raises(BrokenError):
        executor(promotions).run(PLAN)
    (closed,) = promotions.close.call_args_list
    assert closed.args[1] is None


def test_an_interruption_while_a_failure_is_judged_is_told(promotions: mock.Mock) -> None:
    """A second signal, after a deploy has failed: what is still open is said all the same."""
    promotions.is_ours.side_effect = [StoppedError("interrupted"), True]
    with pytest.raises(StoppedError, match="is still open") as stopped:
        executor(promotions).run(PLAN)
    assert "inv resume staging" in stopped.value.hint
