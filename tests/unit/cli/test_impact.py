"""The command line of ``impact``: what is bad use, and what its exit status is."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from impact_rounds import FakeTurns, record, rounds

from ebpf_overhead.cli import elsewhere, impact, main, names
from ebpf_overhead.errors import ExitStatus


@pytest.fixture
def asked(monkeypatch):
    """Questions that were asked; each is answered by rounds that are there already."""
    questions = []

    def answer(question, threads, show):
        questions.append(question)
        tools = len(question.launch.beside) + 1
        yield from zip(
            rounds(lambda at_s: 1_000, lambda number: 100),
            *[rounds(lambda at_s: 1_000, lambda number: 60)] * (tools if tools > 1 else 0),
            strict=True,
        )

    monkeypatch.setattr(impact, "rounds_of_all", answer)
    monkeypatch.setattr(impact, "Presence", lambda: None)
    monkeypatch.setattr(impact.segments, "WorkloadTurns", lambda *given: FakeTurns("openat_close"))
    return questions


def run(*words):
    return CliRunner().invoke(main, ["impact", *words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no tool was given; add -- COMMAND"),
        ([""], "no tool was given"),
        (["--start", "a"], "--start and --stop belong together"),
        (["--stop", "a", "--", "b"], "both COMMAND and --start or --stop were given"),
        (["--start", "a 'b", "--stop", "c"], "--start cannot be read: No closing quotation"),
        (["--start", " ", "--stop", "c"], "no tool was given"),
        (["--tool", "a", "--start", "b", "--stop", "c"], "both --tool and --start or --stop were"),
        (["--tool", " ", "--", "a"], "--tool is empty"),
        (["--cgroup", "/no/such", "--", "a"], "/no/such is not a directory of a version 2 cgroup"),
        (["--ready", "(", "--", "a"], "--ready is no regular expression"),
        (["--rounds", "7", "--", "a"], "7 is not in the range x>=8"),
    ],
)
def test_bad_use_is_one_line(asked, words, said):
    found = run(*words)
    assert found.exit_code == ExitStatus.BAD_USE
    assert said in found.output
    assert asked == []


def test_words_of_the_command_are_passed_on(asked):
    found = run("--ready", "^x", "--timeout", "3s", "--rounds", "9", "--", "tool", "--json", "a b")
    assert found.exit_code == 0, found.output
    (question,) = asked
    assert question.launch.start == ("tool", "--json", "a b")
    assert (question.patience.timeout_s, question.rounds) == (3.0, 9)
    assert "What tool --json 'a b' costs, per call" in found.output


def test_several_tools_alone_and_together(asked):
    found = run("--tool", "/usr/bin/two 'x y'", "--format", "json", "--", "one")
    assert found.exit_code == 0, found.output
    assert asked[0].launch.starts == (("one",), ("/usr/bin/two", "x y"))
    record = json.loads(found.output)
    assert record["tool"]["start"] == ["one", "+", "/usr/bin/two", "x y"]
    assert [each["start"] for each in record["alone"]] == [["one"], ["/usr/bin/two", "x y"]]
    (case,) = record["sums"]
    assert [each["estimate"] for each in case["alone"]] == [60, 60]
    assert case["sum"]["estimate"] == 120
    assert case["together"]["estimate"] == 100
    assert case["beyond"] == {"estimate": -20, "low": -20, "high": -20, "confidence": 0.99}
    text = run("--tool", "/usr/bin/two 'x y'", "--", "one").output
    assert "What one + /usr/bin/two 'x y' costs, per call" in text
    assert "together they cost less than the sum: openat_close" in text
    (heading,) = [line for line in text.splitlines() if "more than the sum" in line]
    assert len(heading.rstrip()) <= 80


def test_service(asked):
    assert run("--start", "run 'my agent'", "--stop", "end it").exit_code == 0
    assert asked[0].launch.start == ("run", "my agent")
    assert asked[0].launch.stop == ("end", "it")


@pytest.mark.parametrize(("budget", "status"), [("11%", 0), ("9%", ExitStatus.CASE_FAILED)])
def test_budget_is_the_exit_status(asked, budget, status):
    found = run("--budget", budget, "--json", "--", "tool")
    assert found.exit_code == status
    record = json.loads(found.stdout)
    assert record["tool"]["start"] == ["tool"]


@pytest.mark.parametrize(
    ("words", "needed"), [((), False), (("--budget", "5%"), True), (("--ready", "x"), False)]
)
def test_budget_is_of_a_tool_that_is_there(asked, words, needed):
    run(*words, "--", "tool")
    run("--budget", "5%", "--ready", "x", "--", "tool")
    assert [each.patience.needed for each in asked] == [needed, False]


@pytest.mark.parametrize("name", ["markdown", "openmetrics"])
def test_other_formats(asked, name):
    found = run("--format", name, "--", "tool")
    assert found.exit_code == 0, found.output
    assert "openat_close" in found.output


@pytest.mark.parametrize("count", [3, 9])
def test_ctrl_c_after_some_rounds(asked, monkeypatch, count):
    def interrupted(question, threads, show):
        yield from zip(rounds(lambda at_s: 1_000, lambda number: 100, count), strict=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(impact, "rounds_of_all", interrupted)
    found = run("--json", "--", "tool")
    assert found.exit_code == ExitStatus.INTERRUPTED
    if count == 9:
        record = json.loads(found.stdout)
        assert (record["cut_short"], record["rounds"]) == ("interrupted", 9)
    else:
        assert found.stdout == ""


def test_in_a_guest_the_tool_keeps_its_own_options(monkeypatch):
    asked = []

    def there(kernel, arguments, programs, preload):
        asked.append((kernel, arguments))
        return record(rounds(lambda at_s: 1_000, lambda number: 100))

    monkeypatch.setattr(elsewhere, "_measure", there)
    monkeypatch.setattr(names, "installed_kernels", lambda: ["6.12"])
    found = run("--kernel", "6.12", "--rounds", "9", "--json", "--", "tool", "--kernel", "a b")
    assert found.exit_code == 0, found.output
    words = ["impact", "--format", "json", "--rounds", "9", "--", "tool", "--kernel", "a b"]
    assert asked == [("6.12", ["-m", "ebpf_overhead.cli", *words])]
