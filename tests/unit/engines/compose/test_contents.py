"""Configs and secrets count as changes of the services that are given them."""

from __future__ import annotations

from typing import Any

import yaml

from buildonce.engines.compose.contents import LABEL, with_contents

DEFINITION: dict[str, Any] = {
    "services": {
        "web": {"image": "x", "configs": [{"source": "app"}], "labels": ["a=b"]},
        "mail": {"image": "x", "secrets": [{"source": "key"}]},
        "jobs": {"image": "x"},
    },
    "configs": {"app": {"content": "price = $$5"}},
    "secrets": {"key": {"environment": "KEY"}},
}


def labels(project: str = "shop", content: str = "price = $$5", key: str = "k") -> dict[str, Any]:
    resolved = {**DEFINITION, "configs": {"app": {"content": content}}}
    text = with_contents(yaml.safe_dump(DEFINITION), project, resolved, {"KEY": key})
    services = yaml.safe_load(text)["services"]
    return {name: service.get("labels") for name, service in services.items()}


def test_a_config_changes_the_services_that_have_it_alone() -> None:
    """Another content is another label of that service; others stay as they are."""
    before, after = labels(), labels(content="price = $$6")
    assert before["web"] != after["web"]
    assert (before["mail"], before["jobs"]) == (after["mail"], after["jobs"])
    assert before == labels()


def test_a_secret_changes_the_services_that_have_it_and_is_not_in_the_label() -> None:
    """A rotated secret is another label, from which neither value can be read."""
    before, after = labels(key="hunter2"), labels(key="hunter3")
    assert before["mail"] != after["mail"]
    assert "hunter" not in str(after)
    assert before["mail"] != labels("other", key="hunter2")["mail"]


def test_labels_of_a_service_stay() -> None:
    """Both of Compose's forms of labels are kept; a service without contents gets none."""
    made = labels()
    assert made["web"][0] == "a=b"
    assert made["web"][1].startswith(f"{LABEL}=")
    assert list(made["mail"]) == [LABEL]
    assert made["jobs"] is None
