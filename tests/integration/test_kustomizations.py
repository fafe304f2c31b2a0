"""Kustomizations, rendered by the real kubectl: from a commit's own files alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buildonce.engines.base import Files
from buildonce.engines.kubernetes import manifest, rendering
from buildonce.engines.kubernetes.kubectl import Kubectl
from buildonce.errors import UsageError
from tests.kit.kubernetes import config_map
from tests.kit.recorded_kubectl import TARGET, bound

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")

BASE = {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": config_map("a")}


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of this machine: contexts are not even known."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))


def names(path: str, files: dict[str, str]) -> list[str]:
    """The objects that a folder of a commit is rendered to."""

    def export(folder: Path) -> Path:
        for name, text in files.items():
            (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "project" / name).write_text(text)
        (folder / "beside.yaml").write_text(config_map("beside"))
        return folder / "project"

    given = bound(files=Files((path,), export, lambda _: ""))
    text = rendering.bundle(given, Kubectl(TARGET))
    return [one.name for one in manifest.read(text, path)]


def refused(path: str, **files: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        names(path, {name.replace("__", "/") + ".yaml": text for name, text in files.items()})
    return error.value


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_an_overlay_and_its_base_are_rendered(name: str) -> None:
    """Wherever they are in the commit, under each name that kustomize knows."""
    overlay = "resources: [../base]\nnamePrefix: blue-\n"
    assert names("overlay", {**BASE, f"overlay/{name}": overlay}) == ["blue-a"]


def test_components_are_made_of_the_commits_files_too() -> None:
    """A base that two refer to is looked at once, and a generator needs no resources."""
    files = {
        **BASE,
        "overlay/kustomization.yaml": "resources: [../base]\ncomponents: [../one, ../two]\n",
        "one/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: '-1'\n"
        ),
        "two/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
            "configMapGenerator: [{name: made, literals: [a=1]}]\n"
            "generatorOptions: {disableNameSuffixHash: true}\n"
        ),
    }
    assert names("overlay", files) == ["a-1", "made"]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ("github.com/example/base?ref=main", "resources"),
        ("../../beside.yaml", "resources"),
        ("../missing", "bases"),
        ("../missing", "components"),
        ("missing.yaml", "crds"),
    ],
)
@pytest.mark.parametrize("depth", ["overlay", "base"])
def test_what_is_not_in_the_commit_is_refused(entry: str, field: str, depth: str) -> None:
    """A remote base, a file beside the project, one that is missing; also where a base has it."""
    files = {"overlay__kustomization": "resources: [../base]\n", "base__kustomization": ""}
    error = refused("overlay", **{**files, f"{depth}__kustomization": f"{field}: ['{entry}']\n"})
    assert error.message == (
        f"overlay: its kustomization refers to {entry}, which is not in commit {'0' * 12}"
    )
    assert "copy remote bases into the repository" in error.hint


@pytest.mark.parametrize("field", ["helmCharts", "helmChartInflationGenerator"])
def test_a_chart_is_refused(field: str) -> None:
    """It would be fetched when it is rendered, and may be another one by then."""
    error = refused("overlay", overlay__kustomization=f"{field}: [{{name: a}}]\n")
    assert error.message == f"overlay: {field} fetches a chart when it is rendered"


def test_a_folder_without_a_kustomization_is_refused() -> None:
    """Also where a kustomization refers to it."""
    assert refused("plain", plain__a="kind: A").message == "plain: plain has no kustomization.yaml"
    error = refused("overlay", overlay__kustomization="resources: [../plain]", plain__a="kind: A")
    assert error.message == "overlay: plain has no kustomization.yaml"


def test_a_cycle_is_kustomizes_own_error() -> None:
    """The look at what a kustomization refers to ends, and kustomize says what is wrong."""
    error = refused(
        "one", one__kustomization="resources: [../two]", two__kustomization="resources: [../one]"
    )
    assert "cycle detected" in error.message


def test_what_cannot_be_rendered_is_told_in_kustomizes_words() -> None:
    """Paths are the commit's, not those of a temporary folder."""
    error = refused("base", base__kustomization="resources: [a.yaml]\nunknown: 1\n", base__a="a: b")
    assert error.message.startswith(f"base of release {'0' * 12} cannot be rendered: ")
    assert "unknown" in error.message
    assert "/tree/" not in error.message
    assert error.hint == "correct the kustomization and commit it"
