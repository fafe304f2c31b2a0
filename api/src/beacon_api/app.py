"""The api's routes."""

from __future__ import annotations

import logging

from beacon_libs.models import NewTarget, Target, Watched
from beacon_libs.store import Store, StoreError
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from beacon_api import page

SERVICE = "api"

log = logging.getLogger("beacon.api")


def create_app(store: Store, revision: str) -> Starlette:
    """Make the application that answers from a store, built from the commit `revision`."""

    async def add_target(request: Request) -> Response:
        wanted = NewTarget.model_validate_json(await request.body())
        target = Target.of(str(wanted.url))
        stored = await run_in_threadpool(store.add, target)
        return as_json(stored, status_code=201 if stored == target else 200)

    def list_targets(_: Request) -> Response:
        return as_json(Watched(store.watched()))

    def remove_target(request: Request) -> Response:
        target_id = request.path_params["target_id"]
        if not store.remove(target_id):
            return problem(404, f"no target has the id {target_id}: GET /targets lists them")
        return Response(status_code=204)

    def healthz(_: Request) -> Response:
        store.check()
        return JSONResponse({"status": "ok"})

    def version(_: Request) -> Response:
        return JSONResponse({"service": SERVICE, "revision": revision})

    def index(_: Request) -> Response:
        return HTMLResponse(page.render(store.watched(), revision))

    return Starlette(
        routes=[
            Route("/", index),
            Route("/targets", list_targets, methods=["GET"]),
            Route("/targets", add_target, methods=["POST"]),
            Route("/targets/{target_id}", remove_target, methods=["DELETE"]),
            Route("/healthz", healthz),
            Route("/version", version),
        ],
        exception_handlers={
            StoreError: store_unavailable,
            ValidationError: invalid_request,
        },
    )


def as_json(model: BaseModel, status_code: int = 200) -> Response:
    """Answer with a model as JSON."""
    return Response(model.model_dump_json(), status_code=status_code, media_type="application/json")


def problem(status_code: int, detail: str) -> JSONResponse:
    """Answer with what went wrong."""
    return JSONResponse({"detail": detail}, status_code=status_code)


def store_unavailable(_: Request, error: Exception) -> Response:
    """Answer 503 where the store cannot be had, and say so in the log."""
    log.error("%s", error)
    return problem(503, str(error))


def invalid_request(_: Request, error: Exception) -> Response:
    """Answer 422 with what is wrong about the request's body."""
    assert isinstance(error, ValidationError)
    reasons = "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors()
    )
    return problem(422, f'{reasons}; send {{"url": "https://…"}}')
