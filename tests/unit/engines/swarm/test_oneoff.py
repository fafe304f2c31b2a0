"""Stack files of one job, and of what it needs."""

import json

from buildonce.engines.swarm import oneoff

WEB = f"r/web@sha256:{'b' * 64}"

MODEL = {
    "services": {
        "web": {
            "image": WEB,
            "command": ["serve"],
            "environment": {"TOKEN": "${TOKEN}"},
            "secrets": [{"source": "password"}],
            "ports": ["80:80"],
            "healthcheck": {"test": "x"},
            "depends_on": {"store": {"condition": "service_started"}},
            "volumes": [{"type": "bind", "source": "/a", "bind": {"create_host_path": True}}],
            "deploy": {"replicas": 2, "placement": {"constraints": ["node.role==manager"]}},
        },
        "store": {"image": "valkey:8", "depends_on": {}},
    },
    "secrets": {"password": {"file": "./password"}},
    "x-common": {},
}


def test_a_job_has_the_services_settings_and_not_its_duties() -> None:
    """The one-off job gets image, variables, secrets and placement; neither ports nor replicas."""
    made = json.loads(oneoff.job(MODEL, "web", ["migrate", "--to=$HEAD"]))
    assert made == {
        "services": {
            "web-pre-deploy": {
                "image": WEB,
                "command": ["migrate", "--to=$$HEAD"],
                "environment": {"TOKEN": "${TOKEN}"},
                "secrets": [{"source": "password"}],
                "volumes": [{"type": "bind", "source": "/a"}],
                "deploy": {
                    "mode": "replicated-job",
                    "restart_policy": {"condition": "none"},
                    "placement": {"constraints": ["node.role==manager"]},
                },
            }
        },
        "secrets": {"password": {"file": "./password"}},
    }


def test_services_ahead_are_as_they_are_written() -> None:
    """What has to run before the job is deployed as the definition has it."""
    made = json.loads(oneoff.services(MODEL, ["store"]))
    assert made["services"] == {"store": {"image": "valkey:8"}}
