"""Against the registry: what it stores, what it asks for, and what happens when it fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from buildonce.errors import IntegrityError, UnavailableError, UsageError
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Registry
from buildonce.registry.credentials import Credentials, find_credentials
from lab.registry import PROGRAM, Client, configuration
from lab.registry import Credentials as Login
from tests.kit.fake_registry import FakeRegistry
from tests.kit.monorepo import Make, Monorepo
from tests.kit.processes import free_port
from tests.kit.registry_wire import Images, index_of
from tests.kit.waiting import wait_for

NO_DIGEST = Digest("sha256:" + "0" * 64)


def place(repo: Monorepo) -> Repository:
    """Where web's images are."""
    return Repository.parse(str(repo.images("web")))


def test_bytes_are_returned_as_they_are(built: Monorepo) -> None:
    """A manifest's bytes, digest and type are those that the registry holds."""
    stored = built.images("web").require(built.sha())
    manifest = Registry().manifest(place(built).tag(built.sha()))
    assert manifest is not None
    assert (manifest.content, manifest.digest) == (stored.content, stored.digest)
    assert manifest.is_plain


def test_an_index_is_not_plain(built: Monorepo) -> None:
    """An index is returned as it is, never what it wraps."""
    images = built.images("web")
    index = index_of(images.require(built.sha()))
    images.put("wrapped", index)
    manifest = Registry().manifest(place(built).tag("wrapped"))
    assert manifest is not None
    assert manifest.digest == index.digest
    assert not manifest.is_plain


def test_what_is_not_there_is_none(built: Monorepo) -> None:
    """Neither an unknown tag, nor a repository that was never pushed, is an error."""
    assert Registry().manifest(place(built).tag("unknown")) is None
    nobodys = Repository(built.registry, f"{built.namespace}/nobody")
    assert Registry().manifest(nobodys.tag("unknown")) is None


def test_a_tag_is_removed_alone(built: Monorepo) -> None:
    """The manifest stays, under its digest and under every other tag that names it."""
    before = built.images("web").tags()
    Registry().point(place(built).tag("extra"), Digest(before[built.sha()]))
    Registry().remove_tag(place(built).tag("extra"))
    assert built.images("web").tags() == before


def test_removing_a_tag_that_is_not_there_is_no_error(built: Monorepo) -> None:
    """To remove a tag twice is as good as once, and leaves nothing behind."""
    before = built.images("web").tags()
    Registry().remove_tag(place(built).tag("extra"))
    assert built.images("web").tags() == before


def test_a_tag_cannot_point_to_nothing(built: Monorepo) -> None:
    """Where the manifest is missing, the tag is left alone and the digest is named."""
    with pytest.raises(IntegrityError, match=NO_DIGEST):
        Registry().point(place(built).tag("extra"), NO_DIGEST)
    assert "extra" not in built.images("web").tags()


def test_asking_for_the_right_to_write_leaves_nothing(built: Monorepo) -> None:
    """The upload that tells whether writing is allowed is cancelled: no tag, no repository."""
    fresh = Repository(built.registry, f"{built.namespace}/fresh")
    Registry().require_writable(fresh)
    assert Images(fresh.registry, fresh.path).tags() == {}


@pytest.fixture(scope="module")
def abandoned(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    """A monorepo with a release in staging, whose registry is down by now."""
    folder = tmp_path_factory.mktemp("abandoned")
    with serve(folder) as address:
        repo = make().in_registry(address, folder)
        repo.inv("build", "--sha")
        repo.inv("promote", "staging")
    return repo


@pytest.mark.parametrize(
    "command", [("build", "--sha"), ("promote", "production"), ("verify",), ("status",)]
)
def test_a_registry_that_is_down(abandoned: Monorepo, command: tuple[str, ...]) -> None:
    """A registry that does not answer ends with 6 and its address, and the ledger is as it was."""
    before = abandoned.ledger()
    assert abandoned.registry in abandoned.inv(*command, expect=6).err
    assert abandoned.ledger() == before


@dataclass(frozen=True)
class Guarded:
    """A monorepo whose registry asks for a name and a password, and what it takes."""

    repo: Monorepo
    credentials: Login

    def logged_in(self, folder: Path, password: str = "") -> dict[str, str]:
        """The environment after `docker login`."""
        login = replace(self.credentials, password=password or self.credentials.password)
        auths = {self.repo.registry: {"auth": login.encode()}}
        (folder / "config.json").write_text(json.dumps({"auths": auths}))
        return {"DOCKER_CONFIG": str(folder)}


@pytest.fixture(scope="module")
def guarded(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    credentials = Login(username="robot", password="correct horse")
    with serve(folder, credentials) as address:
        yield Guarded(make().in_registry(address, folder), credentials)


def test_the_docker_clients_login_is_used(guarded: Guarded, tmp_path: Path) -> None:
    """With what `docker login` stored, a release is built, promoted and verified."""
    known = guarded.logged_in(tmp_path)
    guarded.repo.inv("build", "--sha", env=known)
    guarded.repo.inv("promote", "staging", env=known)
    guarded.repo.inv("verify", "--env", "staging", env=known)


def test_without_a_login(guarded: Guarded, tmp_path: Path) -> None:
    """A registry that asks for a password nobody stored ends with 6 and how to store one."""
    done = guarded.repo.inv("build", "--sha", expect=6, env={"DOCKER_CONFIG": str(tmp_path)})
    assert f"docker login {guarded.repo.registry}" in done.err


def test_a_wrong_password_is_not_shown(guarded: Guarded, tmp_path: Path) -> None:
    """A refused login ends with 6; the password is in no message, in no form."""
    wrong = guarded.logged_in(tmp_path, "battery staple")
    done = guarded.repo.inv("build", "--sha", expect=6, env=wrong)
    encoded = replace(guarded.credentials, password="battery staple").encode()
    assert "docker login" in done.err
    assert "battery staple" not in done.out + done.err
    assert encoded not in done.out + done.err


@pytest.mark.parametrize(
    "content", ["{ no JSON", "\xff", '{"auths": {"REGISTRY": {"auth": "AAA"}}}']
)
def test_a_broken_credentials_file(guarded: Guarded, tmp_path: Path, content: str) -> None:
    """A file of the docker client that cannot be read ends with 2 and the command to mend it."""
    text = content.replace("REGISTRY", guarded.repo.registry)
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    done = guarded.repo.inv("build", "--sha", expect=2, env={"DOCKER_CONFIG": str(tmp_path)})
    assert "docker login" in done.err


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper that answers with what is in the file beside it."""
    program = tmp_path / "docker-credential-tested"
    program.write_text(f"#!/bin/sh\ncat >{tmp_path}/asked\ncat {tmp_path}/answer\n")
    program.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credHelpers": {"registry.example.org": "tested"}}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def test_a_credential_helper_is_asked(helper: Path) -> None:
    """Where the docker client keeps its secrets in a helper, that one is asked by name."""
    (helper / "answer").write_text('{"Username": "robot", "Secret": "secret"}')
    assert find_credentials("registry.example.org") == Credentials("robot", "secret")
    assert (helper / "asked").read_text().strip() == "registry.example.org"


def test_a_helper_may_hold_a_refresh_token(helper: Path) -> None:
    """The user `<token>` says that the secret is to be exchanged for an access token."""
    (helper / "answer").write_text('{"Username": "<token>", "Secret": "refresh"}')
    known = find_credentials("registry.example.org")
    assert known is not None
    assert known.identity


def test_a_helper_that_talks_nonsense_is_named(helper: Path) -> None:
    """A helper whose answer is no credentials is a usage error; its answer is not shown."""
    (helper / "answer").write_text("secret nonsense")
    with pytest.raises(UsageError, match="docker-credential-tested") as caught:
        find_credentials("registry.example.org")
    assert "nonsense" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        *("[]", '{"auths": null}', '{"auths": {"a.example": "b"}}'),
        *('{"auths": {"a.example": {"auth": null}}}', '{"auths": {"a.example": {}}}'),
    ],
)
def test_a_file_of_another_shape_has_no_credentials(helper: Path, content: str) -> None:
    """What the docker client would ignore is ignored: no login, no traceback."""
    (helper / "config.json").write_text(content)
    assert find_credentials("a.example") is None


def test_a_helper_that_is_missing_is_named(helper: Path) -> None:
    """A helper that the configuration names and the machine lacks is a usage error."""
    (helper / "docker-credential-tested").unlink()
    with pytest.raises(UsageError, match="docker-credential-tested"):
        find_credentials("registry.example.org")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry.serving() as registry:
        yield registry


def test_a_token_is_fetched_where_the_registry_wants_one(
    fake: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bearer challenge is answered with a token for that scope, got with the stored login."""
    login = Login(username="robot", password="secret")
    auths = {fake.address: {"auth": login.encode()}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    fake.wants_token = True
    assert Registry().digest(staging(fake)) == fake.older.digest
    assert fake.token_requests == [("repository:shop/web:pull", f"Basic {login.encode()}")]


def test_a_token_is_asked_for_as_the_registry_says(fake: FakeRegistry) -> None:
    """The challenge's own scope counts, where it has one; the token serves for what was asked."""
    fake.wants_token, fake.challenged_scope = True, "repository:shop/web:pull,push"
    registry = Registry()
    for _ in range(2):
        assert registry.digest(staging(fake)) == fake.older.digest
    assert fake.token_requests == [("repository:shop/web:pull,push", "")]


@pytest.mark.parametrize("answer", [b"<html>log in</html>", b"[]", b"{}"])
def test_an_answer_without_a_token_is_told(fake: FakeRegistry, answer: bytes) -> None:
    """A page in the place of a token is an error that names both hosts, not a traceback."""
    fake.wants_token, fake.token_answer = True, answer
    with pytest.raises(UnavailableError, match=f"{fake.address} asks for a token"):
        Registry().digest(staging(fake))


def test_a_registry_that_removes_nothing_is_left_alone(fake: FakeRegistry) -> None:
    """That a registry deletes nothing is found out before any tag is made to name something."""
    fake.deletions = [405, 405]
    with pytest.raises(UnavailableError, match="removes nothing by its API"):
        Registry().remove_tag(staging(fake))
    assert fake.written == []


def test_a_removal_that_fails_half_way_is_put_back(fake: FakeRegistry) -> None:
    """Where the stand-in cannot be removed, the tag names again what it named."""
    fake.deletions = [400, 404, 403]
    with pytest.raises(UnavailableError, match="403"):
        Registry().remove_tag(staging(fake))
    assert len(fake.written) == 2
    assert fake.written[-1] == fake.older.content


def test_an_upload_without_an_address_is_told(fake: FakeRegistry) -> None:
    """A registry that begins an upload and does not say where is named."""
    with pytest.raises(UnavailableError, match="did not say where"):
        Registry().require_writable(staging(fake).repository)


def test_the_secret_of_an_upload_is_not_shown(fake: FakeRegistry) -> None:
    """An upload's address is a right to write: what is refused is named without its query."""
    fake.deletions, fake.upload_address = [403], "/v2/shop/web/blobs/uploads/1?_state=secret"
    with pytest.raises(UnavailableError, match="uploads/1") as refused:
        Registry().require_writable(staging(fake).repository)
    assert "secret" not in str(refused.value)


def test_a_registry_behind_a_proxy(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy that the environment names is asked, by its own login, for the whole address."""
    monkeypatch.setenv("http_proxy", f"http://robot:p%40ss@{fake.address}")
    monkeypatch.delenv("no_proxy", raising=False)
    tag = Repository("registry.test", "shop/web").tag("staging")
    assert Registry(insecure=["registry.test"]).digest(tag) == fake.older.digest
    login = Login(username="robot", password="p@ss").encode()
    assert fake.proxied == [
        ("http://registry.test/v2/shop/web/manifests/staging", f"Basic {login}")
    ]


def test_a_registry_that_stumbles_is_asked_again(fake: FakeRegistry) -> None:
    """Two answers of 503 in a row are not the end."""
    fake.stumbles = 2
    assert Registry().digest(staging(fake)) == fake.older.digest


def test_a_registry_that_stays_down_is_given_up(fake: FakeRegistry) -> None:
    """After the retries, the error has the status that was answered."""
    fake.stumbles = 100
    with pytest.raises(UnavailableError, match="503"):
        Registry().digest(staging(fake))


def test_other_bytes_than_the_digest_says_are_refused(fake: FakeRegistry) -> None:
    """A registry that answers a digest with other bytes is not believed."""
    with pytest.raises(IntegrityError, match="hash to"):
        Registry().manifest(Repository(fake.address, "shop/web").at(NO_DIGEST))
    with pytest.raises(IntegrityError, match="other bytes"):
        Registry().blob(Repository(fake.address, "shop/web"), NO_DIGEST)


def test_a_write_that_is_lost_is_noticed(fake: FakeRegistry) -> None:
    """A tag that was written with success and names something else afterwards is an error."""
    with pytest.raises(IntegrityError, match="was moved to"):
        Registry().point(
            Repository(fake.address, "shop/web").tag("staging"), Digest(fake.manifest.digest)
        )


def staging(fake: FakeRegistry) -> ImageRef:
    """A tag there."""
    return Repository(fake.address, "shop/web").tag("staging")


@contextmanager
def serve(folder: Path, login: Login | None = None) -> Iterator[str]:
    """A registry of the test's own; the address it answers at."""
    if not shutil.which(PROGRAM):
        pytest.skip(f"there is no {PROGRAM} on this machine")
    htpasswd = folder / "htpasswd"
    if login:
        htpasswd.write_text(login.htpasswd())
    address = f"127.0.0.1:{free_port()}"
    settings = configuration(
        address=address, storage=folder / "storage", htpasswd=htpasswd if login else None
    )
    (folder / "registry.json").write_text(settings)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(folder / "registry.json")], stdout=log, stderr=log
        )
    try:
        wait_for(lambda: Client(address, login).answers(), f"the registry at {address}")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)
