"""Work in several processes at once, and ports for those that listen."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TypeVar

Result = TypeVar("Result")


def in_processes(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """What each job returns; they run at the same time, each in a process of its own."""
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe(duplex=False) for _ in jobs]
    processes = [
        fork.Process(target=_answer, args=(writer, job))
        for (_, writer), job in zip(pipes, jobs, strict=True)
    ]
    for process, (_, writer) in zip(processes, pipes, strict=True):
        process.start()
        writer.close()
    answers = [reader.recv() for reader, _ in pipes]
    for process in processes:
        process.join()
    return answers


def _answer(writer: Connection, job: Callable[[], object]) -> None:
    writer.send(job())


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
