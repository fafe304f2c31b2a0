"""What people, CI and programs get to see."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import pytest

from buildonce.errors import PreconditionError
from buildonce.plan.plans import plan_promotion
from buildonce.report.sentences import describe
from buildonce.report.terminal import Reporter, evidence_json
from buildonce.verify.evidence import Evidence
from tests.kit.samples import digest, observation, promotion, release, running

GOOD = Evidence("staging", "web", "pointer", "r/web:staging", digest("a"), digest("a"))
BAD = Evidence("production", "web", "pointer", "r/web:production", digest("a"), digest("b"))

Captured = pytest.CaptureFixture[str]

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""What terminals take for the cursor: DECTCEM, as xterm's control sequences name it."""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_results_and_the_rest_go_to_different_streams(capsys: Captured) -> None:
    """What a program may read is on standard output alone."""
    reporter = Reporter()
    reporter.say("a result")
    reporter.note("a note")
    reporter.log("a line")
    with reporter.step("a step"):
        pass
    said = capsys.readouterr()
    assert said.out == "a result\n"
    assert all(words in said.err for words in ("a note", "a line", "✓ a step"))


def test_an_error_says_what_to_do_next(capsys: Captured) -> None:
    """The hint follows the message on a line of its own."""
    Reporter().error(PreconditionError("it was not built", hint="inv build --sha"))
    assert capsys.readouterr().err == "✗ it was not built\n  → inv build --sha\n"


def test_a_step_that_fails_is_not_ticked(capsys: Captured) -> None:
    """Only what was done is said to be done."""
    with pytest.raises(PreconditionError), Reporter().step("a step"):
        raise PreconditionError("no")
    assert "✓" not in capsys.readouterr().err


def test_a_terminal_has_a_spinner_for_as_long_as_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides the cursor, and gives it back when the step has ended."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Reporter().step("a step"):
        assert (HIDDEN in stream.getvalue(), SHOWN in stream.getvalue()) == (True, False)
    assert SHOWN in stream.getvalue().rpartition(HIDDEN)[2]


STEERING = "\x1b[2J\x1b]0;owned\x07\u202egpj.exe\x9b1m\r"


@pytest.mark.parametrize("method", ["say", "note", "log", "error", "table"])
def test_text_from_elsewhere_steers_no_terminal(capsys: Captured, method: str) -> None:
    """Escape sequences and marks of direction, as a commit's subject may have, are shown."""
    reporter = Reporter()
    if method == "table":
        reporter.table(["subject"], [[STEERING]])
    elif method == "error":
        reporter.error(PreconditionError(STEERING, hint=STEERING))
    else:
        getattr(reporter, method)(STEERING)
    said = "".join(capsys.readouterr())
    assert not {*STEERING} & {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & {*said}
    assert "\\x1b]0;owned\\x07\\u202egpj.exe" in said


def test_colours_of_a_tools_log_are_left_out(capsys: Captured) -> None:
    """A build's log reads as it would without a terminal."""
    Reporter().log("\x1b[31merror:\x1b[0m no such file\r")
    assert capsys.readouterr().err == "  error: no such file\n"


@pytest.mark.parametrize("text", ["[red]not markup[/]", "[tool.buildonce]", "[/]", "a" * 500])
def test_what_is_said_is_said_as_it_is(capsys: Captured, text: str) -> None:
    """Brackets are no markup, and a long line is neither folded nor cut."""
    Reporter().say(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_there_is_no_colour_where_there_is_no_terminal(capsys: Captured) -> None:
    """A pipe or a log file gets no escape sequence."""
    reporter = Reporter()
    reporter.evidence([GOOD, BAD])
    reporter.error(PreconditionError("no"))
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> str:
    """What an error looks like on a terminal."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", stream)
    Reporter().error(PreconditionError("no"))
    return stream.getvalue()


def test_there_is_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """People get colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in on_a_terminal(monkeypatch)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless they said that they do not want them (no-color.org)."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in on_a_terminal(monkeypatch)


def test_no_color_is_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where NO_COLOR is set, a terminal gets neither styles nor movement."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Reporter().err.is_terminal
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Reporter().err.is_terminal


def test_what_is_copied_from_a_table_is_in_one_piece(capsys: Captured) -> None:
    """However narrow the terminal, a release and a digest are not cut over two lines."""
    report = Reporter()
    report.out.width = 40
    report.table(["subject", "release", "digest"], [["word " * 20, "a" * 12, "b" * 12]])
    out = capsys.readouterr().out
    assert "a" * 12 in out
    assert "b" * 12 in out


def test_a_dry_run_numbers_its_steps(capsys: Captured) -> None:
    """Each step is one numbered sentence, and the end says that nothing was written."""
    first, second = release(1), release(2)
    plan = plan_promotion(observation(second, None, first), promotion(second, running(first)))
    Reporter().plan(plan, ["GET /v2/", "PUT /v2/"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"dry run: {plan.summary}"
    assert lines[1:5] == [f"  {n}. {describe(step)}" for n, step in enumerate(plan.steps, 1)]
    assert "     GET /v2/" in lines
    assert lines[-1] == "nothing was written"


def test_evidence_that_holds_is_brief(capsys: Captured) -> None:
    """Twelve digits are enough where both sides agree."""
    Reporter().evidence([GOOD])
    out = capsys.readouterr().out
    assert digest("a")[7:19] in out
    assert digest("a") not in out


def test_evidence_that_does_not_hold_is_in_full(capsys: Captured) -> None:
    """Both digests in full, expected beside found, on the one line of that row."""
    Reporter().evidence([GOOD, BAD])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("✗")]
    assert row.split() == ["✗", "production", "web", "pointer", digest("a"), digest("b")]


def test_details_show_every_row(capsys: Captured) -> None:
    """What is grouped otherwise has a line for each service."""
    other = replace(GOOD, service="jobs")
    Reporter().evidence([GOOD, other])
    assert len(capsys.readouterr().out.splitlines()) == 2
    Reporter().evidence([GOOD, other], details=True)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_evidence_as_json_is_one_document() -> None:
    """Each row has its verdict, and the whole has one."""
    document = json.loads(json.dumps(evidence_json([GOOD, BAD])))
    assert document["holds"] is False
    assert [row["holds"] for row in document["evidence"]] == [True, False]
    assert document["evidence"][1]["found"] == digest("b")
    assert evidence_json([GOOD])["holds"] is True


def test_a_stream_without_ticks_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an encoding lacks a character, as Windows' for files does, the rest is printed."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    Reporter().say("✓ production runs 0123456789ab")
    assert stream.buffer.getvalue().decode().split() == ["?", "production", "runs", "0123456789ab"]


def test_a_column_that_is_cut_has_one_line(capsys: Captured) -> None:
    """On a narrow terminal a long subject takes no lines from those below; what is whole stays."""
    reporter = Reporter()
    reporter.out.width = 60
    rows = [["production", "a" * 12, "x" * 300], ["staging", "b" * 12, "short"]]
    reporter.table(["environment", "release", "subject"], rows, cut="subject")
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["environment", "release", "subject"]
    assert first.split()[:2] == ["production", "a" * 12]
    assert first.rstrip().endswith("x…")
    assert second.split() == ["staging", "b" * 12, "short"]
