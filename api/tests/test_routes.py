"""The api's routes, against a real store."""

from collections.abc import Iterator

import pytest
from beacon_api.app import create_app
from beacon_libs.models import Result, Target
from beacon_libs.settings import Settings
from beacon_libs.store import Store
from beacon_libs.testing import free_port
from pydantic import RedisDsn
from starlette.testclient import TestClient

URL = "https://example.com/"


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    """Yield a client of an api that watches nothing yet."""
    with TestClient(create_app(store, revision="abc123")) as client:
        yield client


def test_an_added_target_is_listed(client: TestClient) -> None:
    """POST /targets answers with the very target that GET /targets lists."""
    added = client.post("/targets", json={"url": URL})
    assert added.status_code == 201
    assert client.get("/targets").json() == [{**added.json(), "results": []}]


def test_adding_an_address_again_answers_with_the_target_there_is(client: TestClient) -> None:
    """The second POST of one address is a 200 and changes nothing."""
    first = client.post("/targets", json={"url": URL})
    second = client.post("/targets", json={"url": URL})
    assert (second.status_code, second.json()) == (200, first.json())


def test_targets_are_listed_with_their_latest_results(client: TestClient, store: Store) -> None:
    """What the worker recorded is what GET /targets shows."""
    target = store.add(Target.of(URL))
    store.record([Result(target_id=target.id, status=204, latency_ms=1.5)])
    result = client.get("/targets").json()[0]["results"][0]
    assert (result["status"], result["latency_ms"]) == (204, 1.5)


@pytest.mark.parametrize(
    "body", ["", "no json", "{}", '{"url": "ftp://example.com"}', '{"url": 1}', '{"uri": "x"}']
)
def test_a_wrong_body_is_refused_with_an_example(client: TestClient, body: str) -> None:
    """What is no web address is answered with 422 and the right form."""
    refused = client.post("/targets", content=body)
    assert refused.status_code == 422
    assert refused.json()["detail"].endswith('send {"url": "https://…"}')


def test_a_removed_target_is_not_listed(client: TestClient) -> None:
    """DELETE /targets/ID ends the watching."""
    target = client.post("/targets", json={"url": URL}).json()
    assert client.delete(f"/targets/{target['id']}").status_code == 204
    assert client.get("/targets").json() == []


def test_removing_what_is_not_there_is_a_404(client: TestClient) -> None:
    """The answer names the id that was asked for."""
    refused = client.delete("/targets/no-such-id")
    assert refused.status_code == 404
    assert "no-such-id" in refused.json()["detail"]


def test_the_version_is_the_commit(client: TestClient) -> None:
    """GET /version says which service was built from which commit."""
    assert client.get("/version").json() == {"service": "api", "revision": "abc123"}


def test_it_is_healthy_with_its_store(client: TestClient) -> None:
    """GET /healthz is 200 where the store answers."""
    assert client.get("/healthz").status_code == 200


def test_it_is_unhealthy_without_its_store() -> None:
    """A store that does not answer turns /healthz to 503, with the store's address."""
    port = free_port()
    store = Store(Settings(store_url=RedisDsn(f"redis://127.0.0.1:{port}/0")))
    with TestClient(create_app(store, revision="abc123")) as client:
        refused = client.get("/healthz")
    store.close()
    assert refused.status_code == 503
    assert f"127.0.0.1:{port}" in refused.json()["detail"]


def test_the_page_shows_targets_results_and_version(client: TestClient, store: Store) -> None:
    """Whoever opens the page sees what is up, what is down, and which commit says so."""
    up, down = store.add(Target.of(URL)), store.add(Target.of(URL + "down"))
    store.record(
        [
            Result(target_id=up.id, status=200, latency_ms=1),
            Result(target_id=down.id, error="connection refused", latency_ms=1),
        ]
    )
    page = client.get("/").text
    for expected in (up.url, "HTTP 200", down.url, "connection refused", "abc123"):
        assert expected in page


def test_the_page_shows_what_was_not_probed_yet(client: TestClient) -> None:
    """A new target is shown before its first result."""
    client.post("/targets", json={"url": URL})
    assert "not probed yet" in client.get("/").text


def test_the_page_escapes_what_others_wrote(client: TestClient, store: Store) -> None:
    """An address or an error message cannot put markup into the page."""
    target = store.add(Target(**{**Target.of(URL).model_dump(), "url": "<script>1</script>"}))
    store.record([Result(target_id=target.id, error="<script>2</script>", latency_ms=1)])
    assert "<script>" not in client.get("/").text
