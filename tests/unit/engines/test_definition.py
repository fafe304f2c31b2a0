"""The definition as Compose reads it."""

from buildonce.engines.base import Deployment, Target
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.engines.parts import Part
from buildonce.refs import Digest, Repository
from tests.kit.samples import files

WEB = Repository("r.example", "shop/web").at(Digest("sha256:" + "a" * 64))
JOBS = Repository("r.example", "shop/jobs").at(Digest("sha256:" + "b" * 64))


def part(name: str, image: str, *needs: str) -> Part:
    return Part(name, image, 1, dict.fromkeys(needs, ""), optional=False)


def test_foreign_needs_leave_out_what_is_ours() -> None:
    """What a step needs is started ahead only as far as no service of the release is in it."""
    parts = {
        "jobs": part("jobs", str(JOBS), "web", "queue"),
        "web": part("web", str(WEB), "cache"),
        "queue": part("queue", "valkey:8", "disk"),
        "disk": part("disk", "disk:1"),
        "cache": part("cache", "valkey:8"),
    }
    target = Target("production", "compose", project="shop")
    deployment = Deployment(target, "0123456789ab", files(), {"web": WEB, "jobs": JOBS})
    shop = Definition(deployment, Docker(target))
    vars(shop)["parts"] = parts
    assert sorted(shop.foreign_needs("jobs")) == ["disk", "queue"]
