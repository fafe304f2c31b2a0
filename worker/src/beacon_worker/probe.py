"""Probing: ask a web address and note what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import httpx2
from beacon_libs.models import Result, Target

AT_ONCE = 20


async def probe_all(targets: Sequence[Target], timeout_seconds: float) -> list[Result]:
    """Probe targets, a limited number at once, and return their results in the same order."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with httpx2.AsyncClient() as client:

        async def in_turn(target: Target) -> Result:
            async with turns:
                return await probe(client, target, timeout_seconds)

        return list(await asyncio.gather(*map(in_turn, targets)))


async def probe(client: httpx2.AsyncClient, target: Target, timeout_seconds: float) -> Result:
    """Ask a target once. A failure to answer is a result, not an exception."""
    status, error = None, None
    start = time.perf_counter()
    try:
        status = await asyncio.wait_for(ask(client, target.url), timeout_seconds)
    except asyncio.TimeoutError:
        error = f"no answer within {timeout_seconds:g} s"
    except (httpx2.HTTPError, httpx2.InvalidURL) as failure:
        error = str(failure) or type(failure).__name__
    latency_ms = (time.perf_counter() - start) * 1000
    return Result(target_id=target.id, status=status, error=error, latency_ms=round(latency_ms, 2))


async def ask(client: httpx2.AsyncClient, url: str) -> int:
    """Return an address's status code, without following redirects or fetching the body."""
    async with client.stream("GET", url, timeout=None) as answer:
        return answer.status_code
