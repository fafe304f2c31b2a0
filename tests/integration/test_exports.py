"""Files of a commit, written for a build: the commit's own bytes, and no more than its inputs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildonce.build.inputs import inputs_of
from buildonce.build.pins import Pins
from buildonce.config import parse
from buildonce.errors import PreconditionError
from buildonce.execute.sources import Sources
from buildonce.git import trees
from buildonce.git.repository import Git
from buildonce.plan.steps import Bake, Target
from buildonce.refs import ImageRef
from tests.kit.monorepo import NOBODYS_GIT


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository whose one commit has a file and a link to it, in the folder `shop`."""
    for name, value in NOBODYS_GIT.items():
        monkeypatch.setenv(name, value)
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "clone")], check=True)
    shop = tmp_path / "clone/shop"
    shop.mkdir()
    (shop / "a.txt").write_text("one\ntwo\n")
    (shop / "link").symlink_to("a.txt")
    made = Git(shop)
    made.run("add", "--all")
    made.run("commit", "--quiet", "--message=Begin")
    return made


def exported(clone: Git, folder: Path) -> Path:
    """The folder `shop` of HEAD, as a build gets it and as a bundle does: they are the same."""
    build = trees.read(clone, "HEAD").export(clone, ["."], folder / "build")
    bundle = clone.export("HEAD", folder / "bundle")
    assert (bundle / "a.txt").read_bytes() == (build / "a.txt").read_bytes()
    return build


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_another_repository_is_not_taken(
    clone: Git, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a git hook, variables name a repository and its parts: the folder's own is read."""
    monkeypatch.setenv(variable, ".git/elsewhere")
    assert clone.commit().subject == "Begin"
    assert exported(clone, tmp_path).name == "shop"


def test_attributes_of_the_machine_do_not_count(clone: Git, tmp_path: Path) -> None:
    """Line ends that the user's own attributes ask for reach no build."""
    (tmp_path / "attributes").write_text("*.txt text eol=crlf\n")
    clone.run("config", "core.attributesFile", str(tmp_path / "attributes"))
    assert (exported(clone, tmp_path) / "a.txt").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("conversion", ["text eol=crlf", "-text", "binary", "\tident"])
def test_attributes_of_the_clone_are_refused(clone: Git, conversion: str, tmp_path: Path) -> None:
    """Where they change bytes and cannot be left out, nothing is built: the file is named."""
    (clone.root.parent / ".git/info").mkdir(exist_ok=True)
    attributes = clone.root.parent / ".git/info/attributes"
    attributes.write_text("# a text\n*.ipynb filter=x diff=ipynb\ntext.md merge=union\n")
    assert (exported(clone, tmp_path) / "a.txt").is_file()
    attributes.write_text(f"*.txt {conversion}\n")
    with pytest.raises(PreconditionError, match="info/attributes changes the bytes") as refused:
        exported(clone, tmp_path / "again")
    assert ".gitattributes" in refused.value.hint


def test_replaced_objects_do_not_count(clone: Git, tmp_path: Path) -> None:
    """What this clone alone shows in the place of a file (`git replace`) reaches no build."""
    file = clone.text("rev-parse", "HEAD:./a.txt")
    clone.run("replace", file, clone.text("hash-object", "-w", str(Path(__file__))))
    assert (exported(clone, tmp_path) / "a.txt").read_bytes() == b"one\ntwo\n"


def test_links_are_links(clone: Git, tmp_path: Path) -> None:
    """A clone that checks symbolic links out as files builds the links that were committed."""
    clone.run("config", "core.symlinks", "false")
    assert (exported(clone, tmp_path) / "link").is_symlink()


def test_a_build_gets_what_is_in_lfs(
    clone: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the machine leaves it out of checkouts; what is only deployed stays without."""
    monkeypatch.setenv("GIT_LFS_SKIP_SMUDGE", "1")
    clone.run("config", "filter.lfs.smudge", "echo $GIT_LFS_SKIP_SMUDGE")
    (clone.root / ".gitattributes").write_text("*.txt filter=lfs\n")
    clone.run("add", "--all")
    clone.run("commit", "--quiet", "--message=Large")
    build = trees.read(clone, "HEAD").export(clone, ["a.txt"], tmp_path / "build")
    assert (build / "a.txt").read_text() == "0\n"
    assert (clone.export("HEAD", tmp_path / "bundle") / "a.txt").read_text() == "1\n"


def built_from(
    clone: Git, folder: Path, dockerfile: str, *, content: str = "", context: str = "."
) -> Sources:
    """What the services `api` and `web` are built from: each sees its own folder, not `libs`."""
    files = {"api/Dockerfile": dockerfile, "web/Dockerfile": ""}
    files |= {"api/a.py": content, "libs/b.py": ""}
    for path, text in files.items():
        (clone.root / path).parent.mkdir(exist_ok=True)
        (clone.root / path).write_text(text)
    (clone.root / "api/libs").symlink_to("../libs")
    clone.run("add", "--all")
    clone.run("commit", "--quiet", "--message=Two")
    commit, tree = clone.commit(), trees.read(clone, "HEAD")
    services = {name: {"inputs": [name], "context": "."} for name in ("web", "api")}
    services["api"]["context"] = context
    project = parse({"registry": "r.example", "services": services})
    targets = {
        name: Target(
            ImageRef.parse(f"r.example/{name}:1"),
            inputs_of(project, name, tree, Pins(None, {}), commit.revision),
            "new",
        )
        for name in services
    }
    return Sources.export(clone, Bake(commit, targets), folder)


@pytest.mark.parametrize("missing", ["libs/b.py", "api/libs/b.py"])
def test_what_a_build_lacks_is_named(clone: Git, missing: str, tmp_path: Path) -> None:
    """With the service that copies it; behind a link that is an input, where the link leads."""
    sources = built_from(clone, tmp_path, f"FROM scratch\nCOPY {missing} /\n")
    said = f'ERROR: target api: failed to solve: no checksum: "/{missing}": not found'
    error = sources.explained(PreconditionError(said))
    assert error.hint == 'add "libs/b.py" to inputs in [tool.buildonce.services.api]'


def test_what_is_outside_of_a_context_is_named(clone: Git, tmp_path: Path) -> None:
    """A service that is built from its own folder needs another context for what it shares."""
    sources = built_from(clone, tmp_path, "FROM scratch\nCOPY web /\n", context="api")
    error = sources.explained(
        PreconditionError('ERROR: target api: failed to solve: no checksum: "/web": not found')
    )
    assert error.hint.startswith('set context = "." and inputs = ["api", "web"]')


def test_what_git_crypt_has_locked_is_refused(clone: Git, tmp_path: Path) -> None:
    """A clone without the key gets what is encrypted: nothing is built of it."""
    (clone.root / ".gitattributes").write_text("a.py filter=git-crypt\n")
    with pytest.raises(PreconditionError, match=r"api/a\.py is encrypted by git-crypt"):
        built_from(clone, tmp_path, "FROM scratch\nCOPY api /\n", content="\0GITCRYPT\0...")


def test_a_pattern_that_fits_no_input_is_refused(clone: Git, tmp_path: Path) -> None:
    """BuildKit would copy nothing, without a word, where the commit has what is meant."""
    with pytest.raises(PreconditionError, match=r"copies lib\*/b\.\*: libs/b\.py") as refused:
        built_from(clone, tmp_path, "FROM scratch\nCOPY lib*/b.* /\n")
    assert refused.value.hint == 'add "libs/b.py" to inputs in [tool.buildonce.services.api]'


@pytest.mark.parametrize("pattern", ["a*/a.py", "*.lock", "*/*.py"])
def test_a_pattern_may_fit_some_or_nothing_at_all(clone: Git, pattern: str, tmp_path: Path) -> None:
    """What fits an input is copied, and nothing is missed where the commit has nothing."""
    assert built_from(clone, tmp_path, f"FROM scratch\nCOPY {pattern} /\n").contexts
