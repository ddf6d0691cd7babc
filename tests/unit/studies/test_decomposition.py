"""Taking a record apart, on records with known parts."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from records import MEASURED
from records import record as hand_made

from ebpf_overhead import cli
from ebpf_overhead.errors import BadUseError, MissingToolError
from ebpf_overhead.studies.decomposition import tables as view
from ebpf_overhead.studies.decomposition.figure import draw_parts
from ebpf_overhead.studies.decomposition.parts import Cost, decompose

HOOKS = {"tp_btf": 136.0, "fentry": 129.0, "kprobe": 360.0}
BODIES = {"simple": 166.0, "stack": 4000.0}
DISPATCH = {"tp_btf": 40.0, "fentry": 50.0, "kprobe": 90.0}


def case(attach: str, program: str, cost: float, half_width: float = 0.0) -> dict:
    overhead = {"estimate": cost, "low": cost - half_width, "high": cost + half_width}
    return {
        **MEASURED,
        "attach": attach,
        "program": program,
        "unit": "instructions",
        "overhead": {**overhead, "confidence": 0.99},
    }


def record(cases: list[dict], beside: bool = False, release: str = "6.12") -> dict:
    machine = {"kernel": {"release": release}}
    if beside:
        one = {"programs": {"fentry": 1}, "together": False}
        cases = [{**each, "beside": one} for each in cases]
    return {**hand_made(), "machine": machine, "cases": cases}


def made(**other_bodies: float) -> dict:
    cases = []
    for attach, hook in HOOKS.items():
        cases.append(case(attach, "empty", hook))
        for program, body in BODIES.items():
            cases.append(case(attach, program, hook + other_bodies.get(attach, body)))
    return record(cases)


BESIDE = record([case(name, "empty", cost) for name, cost in DISPATCH.items()], beside=True)


def test_parts_add_up_to_the_whole():
    parts = decompose(made(), BESIDE)
    assert (parts.unit, parts.kernel) == ("instructions", "6.12")
    for name, hook in parts.hooks.items():
        assert hook.total.estimate == HOOKS[name]
        assert hook.dispatch.estimate == DISPATCH[name]
        assert hook.entry.estimate + hook.dispatch.estimate == HOOKS[name]
    for body in parts.bodies:
        assert {cost.estimate for cost in body.costs.values()} == {BODIES[body.program]}
        assert (body.spread, body.additive) == (0, True)


def test_without_a_second_program_the_hook_is_one_part():
    for hook in decompose(made()).hooks.values():
        assert hook.dispatch is None
        assert hook.entry is None


def test_program_that_costs_more_at_one_attach_type():
    simple, stack = decompose(made(kprobe=5000.0)).bodies
    assert simple.spread == 5000.0 - 166.0
    assert stack.spread == 1000.0
    assert not simple.additive
    assert not stack.additive


@pytest.mark.parametrize(
    ("half_width", "difference", "additive"),
    [(0, 0.9, True), (0, 1.1, False), (5, 10, True), (5, 20, False)],
)
def test_difference_counts_when_it_is_more_than_a_hundredth_and_no_chance(
    half_width, difference, additive
):
    cases = [
        case("tp_btf", "empty", 50, half_width),
        case("kprobe", "empty", 90, half_width),
        case("tp_btf", "simple", 150 - difference, half_width),
        case("kprobe", "simple", 190, half_width),
    ]
    (body,) = decompose(record(cases)).bodies
    assert body.additive == additive


def test_uncertainty_of_a_difference():
    assert Cost(10, 3) - Cost(4, 4) == Cost(6, 5)


def test_what_was_not_measured_is_left_out():
    cases = [*made()["cases"], {**case("kprobe", "lock", 0), "status": "unsupported"}]
    del cases[-1]["overhead"]
    cases.append(case("tp_btf", "lock", 200.0))
    parts = decompose(record(cases))
    (lock,) = [body for body in parts.bodies if body.program == "lock"]
    assert set(lock.costs) == {"tp_btf"}
    assert ("lock", "64.0", "n/a", "n/a", "", "") in view.body_rows(parts)


@pytest.mark.parametrize(
    ("main", "beside", "words"),
    [
        (record([case("tp_btf", "simple", 1)]), None, "no case of the program empty was measured"),
        (record([]), None, "no case of the record was measured"),
        (made(), made(), "not made by measure --beside"),
        (made(), {**BESIDE, "machine": {"kernel": {"release": "7.3"}}}, "kernels 6.12 and 7.3"),
        (
            record([case("tp_btf", "empty", 1), {**case("tp_btf", "empty", 1), "target": "read"}]),
            None,
            "several targets",
        ),
    ],
)
def test_records_that_cannot_be_taken_apart(main, beside, words):
    with pytest.raises(BadUseError, match=words):
        decompose(main, beside)


@pytest.fixture
def files(tmp_path):
    for name, content in (("all.json", made(kprobe=170.0)), ("beside.json", BESIDE)):
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "other.json").write_text("[]")
    return tmp_path


def invoke(files, *arguments: str):
    paths = [str(files / each) if each.endswith((".json", ".png")) else each for each in arguments]
    return CliRunner().invoke(cli.main, ["study", "decomposition", *paths], catch_exceptions=False)


def test_tables(files):
    text = invoke(files, "all.json", "--beside", "beside.json").stdout
    assert "Hook, instr/op, kernel 6.12" in text
    assert "kprobe" in text
    assert "270.0" in text, "entry of kprobe: 360 - 90"
    assert text.count(" no ") == 2


def test_markdown(files):
    text = invoke(files, "all.json", "--format", "markdown").stdout
    assert "| kprobe | 360.0 | n/a | n/a |" in text
    assert "| simple | 166.0 | 166.0 | 170.0 | 4.0 | no |" in text


def test_json(files):
    parts = json.loads(
        invoke(files, "all.json", "--beside", "beside.json", "--format", "json").stdout
    )
    assert parts["hooks"]["fentry"]["entry"] == {"estimate": 79.0, "half_width": 0.0}
    assert [body["additive"] for body in parts["bodies"]] == [False, False]


def test_plot(files):
    pytest.importorskip("matplotlib")
    assert invoke(files, "all.json", "--beside", "beside.json", "--plot", "p.png").exit_code == 0
    assert (files / "p.png").read_bytes().startswith(b"\x89PNG")


def test_plot_without_matplotlib_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingToolError, match=r"pip install 'ebpf-overhead\[plots\]'"):
        draw_parts(decompose(made()))


@pytest.mark.parametrize("name", ["other.json"])
def test_file_that_is_no_result(files, name):
    result = invoke(files, name)
    assert result.exit_code == 2
    assert "other.json cannot be used: " in result.stderr
    assert "Traceback" not in result.stderr
