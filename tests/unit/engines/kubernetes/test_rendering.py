"""From a release's files to the objects that are applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildonce.engines.base import Files
from buildonce.engines.kubernetes import rendering
from buildonce.errors import UsageError
from tests.kit.kubernetes import config_map, document, service
from tests.kit.recorded_kubectl import IMAGE, Recorded, bound


def bundle(*paths: str, **written: str) -> str:
    """The bundle of these paths of a commit."""

    def export(folder: Path) -> Path:
        folder.mkdir()
        for name, text in written.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        return folder

    given = bound(files=Files(paths, export, lambda _: ""))
    return rendering.bundle(given, Recorded())


def test_files_are_put_together_as_they_are_written() -> None:
    """Each begins a new document, whether or not the one before ends with a line."""
    assert bundle("a.yaml", "b.yaml", a="kind: A", b="kind: ä\n") == "kind: A\n---\nkind: ä\n"


def test_a_release_that_was_deployed_there_before_keeps_its_bundle() -> None:
    """Its commit need not be here."""
    assert rendering.bundle(bound(bundle="kind: A\n"), Recorded()) == "kind: A\n"


def test_a_file_that_the_commit_has_not_is_named() -> None:
    """With the commit, and what may be wrong."""
    with pytest.raises(UsageError, match=r"b\.yaml is not in commit 0{12}") as missing:
        bundle("a.yaml", "b.yaml", a="kind: A")
    assert "`file` of the environment" in missing.value.hint


def test_objects_are_rendered_by_digest_and_in_order() -> None:
    """What pods need comes before them."""
    pods = {"template": {"spec": {"containers": [{"name": "api", "image": "r.example.org/api"}]}}}
    text = document("apps/v1", "Deployment", "api", spec=pods) + service("api") + config_map("c")
    found = rendering.render(text, bound())
    assert [one.kind for one in found] == ["ConfigMap", "Service", "Deployment"]
    assert found[2].containers[0]["image"] == IMAGE


def test_what_may_not_be_deployed_is_not_rendered() -> None:
    """A rendered release is one that may be deployed."""
    with pytest.raises(UsageError, match="namespace/shop: belongs to the whole cluster"):
        rendering.render(document("v1", "Namespace", "shop"), bound())
