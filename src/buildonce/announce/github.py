"""A deployment on GitHub for each promotion: the repository's page shows what runs where.

After docs.github.com, "REST API endpoints for deployments" and "for deployment statuses".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from buildonce.announce.event import sentence
from buildonce.ci import GitHub
from buildonce.errors import BuildonceError
from buildonce.ledger.records.promotion import Promotion
from buildonce.registry.connections import Connections

_STATES = {"done": "success", "failed": "failure", "aborted": "failure", "broken": "error"}
_NOT_ALLOWED = (401, 403, 404)
_LONGEST_DESCRIPTION = 140


@dataclass(frozen=True)
class Deployments:
    """Writes deployments to a repository on GitHub; without one, or the right to, nothing.

    ``revision`` gives the commit of a release, ``urls`` are the environments' addresses, and
    ``note`` is told what went wrong.
    """

    github: GitHub | None
    revision: Callable[[str], str]
    urls: Mapping[str, str]
    note: Callable[[str], None]

    def __call__(self, promotion: Promotion) -> None:
        """Record how a promotion ended; whatever happens here is a note."""
        if self.github is None:
            return
        try:
            self._record(self.github, promotion)
        except (BuildonceError, urllib3.exceptions.HTTPError, ValueError, KeyError) as error:
            self.note(f"GitHub has no deployment of {promotion.title}: {error}")

    def _record(self, github: GitHub, promotion: Promotion) -> None:
        description = sentence(promotion)[:_LONGEST_DESCRIPTION]
        deployment = _post(
            github, "deployments", ref=self.revision(promotion.release),
            environment=promotion.environment, description=description,
            auto_merge=False, required_contexts=[],
        )  # fmt: skip
        if deployment is None:
            return
        url = self.urls.get(promotion.environment, "")
        _post(
            github, f"deployments/{deployment['id']}/statuses",
            state=_STATES[promotion.outcome], description=description, log_url=github.run,
            **({"environment_url": url} if url else {}),
        )  # fmt: skip


def _post(github: GitHub, path: str, **fields: Any) -> dict[str, Any] | None:
    """Return what was created; None where the token may not.

    Raises:
        urllib3.exceptions.HTTPError: there was no answer.
        ValueError: the answer is another one.
    """
    answer = Connections().request(
        "POST",
        f"{github.api}/repos/{github.repository}/{path}",
        {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {github.token}",
            "Content-Type": "application/json",
            "User-Agent": "buildonce",
        },
        json.dumps(fields).encode(),
    )
    if answer.status in _NOT_ALLOWED:
        return None
    if answer.status != 201:
        raise ValueError(f"it answered {answer.status}")
    created: dict[str, Any] = json.loads(answer.data)
    return created
