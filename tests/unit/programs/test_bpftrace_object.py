"""Which program of a script belongs to which probe, and what is said where none does."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError, FailedError, MissingToolError
from ebpf_overhead.programs import bpftrace_object, bpftrace_run
from ebpf_overhead.programs.bpftrace_calls import ScriptProgram
from ebpf_overhead.programs.bpftrace_object import of_script
from ebpf_overhead.programs.bpftrace_points import ScriptPoint
from ebpf_overhead.programs.bpftrace_run import ScriptRun
from ebpf_overhead.programs.catalogue import programs_named
from ebpf_overhead.programs.libbpf_object import Load
from ebpf_overhead.programs.loaded import LoadedAs
from ebpf_overhead.programs.object_settings import ObjectSettings, object_settings
from ebpf_overhead.programs.program_object import Function

ALL = ObjectSettings()


def program(kind: str, *names: str, code: bytes = b"") -> ScriptProgram:
    load = Load(code, LoadedAs(2), None)  # type: ignore[arg-type]
    return ScriptProgram(Function(code), load, ScriptPoint(kind, names))


passed: list[str] = []  # positional parameters of the script that was run last


@pytest.fixture
def ran(monkeypatch):
    """Have bpftrace attach programs or say something, and not run."""
    given: list[bytes] = []
    passed.clear()

    def run(*answers: ScriptRun):
        left = list(answers)

        def answer(text: bytes, parameters: list[str]) -> ScriptRun:
            given.append(text)
            passed[:] = parameters
            return left.pop(0)

        monkeypatch.setattr(bpftrace_object, "run_script", answer)
        monkeypatch.setattr(bpftrace_object, "_lacking", lambda probe: None)
        return given

    return run


def attached(*programs: ScriptProgram) -> ScriptRun:
    return ScriptRun(list(programs), {}, 0, "Attaching", ended=False)


def said(text: str) -> ScriptRun:
    return ScriptRun([], {}, 0, text, ended=True)


def codes(text: str) -> dict[str, bytes]:
    return {name: each.code for name, each in of_script(text, ALL, "a.bt").functions.items()}


@pytest.mark.parametrize("forward", [True, False])
def test_the_order_is_told_by_the_places(ran, forward):
    both = [program("kprobe", "a", code=b"1"), program("kprobe", "b", code=b"2")]
    ran(attached(*(both if forward else reversed(both))))
    assert codes("kprobe:a { } kprobe:b { }") == {"kprobe:a": b"1", "kprobe:b": b"2"}


def test_of_one_place_the_last_one_is_attached_first(ran):
    ran(attached(*(program("kprobe", "a", code=code) for code in (b"2", b"1"))))
    assert codes("kprobe:a { } kprobe:a { }") == {"kprobe:a": b"1", "kprobe:a#2": b"2"}


def test_return_probes_of_one_place_are_attached_in_order(ran):
    ran(attached(*(program("kretprobe", "a", code=code) for code in (b"1", b"2"))))
    assert codes("kr:a { } kr:a { }") == {"kr:a": b"1", "kr:a#2": b"2"}


def test_kinds_are_told_apart_by_how_they_are_attached(ran):
    ran(
        attached(
            program("rawtracepoint", "sys_enter", code=b"3"),
            program("", code=b"5"),
            program("kretprobe", "a", code=b"2"),
            program("kprobe", "a", code=b"1"),
        )
    )
    text = "k:a { } kr:a { } rt:sys_enter { } interval:s:1 { } BEGIN { }"
    assert codes(text) == {"k:a": b"1", "kr:a": b"2", "rt:sys_enter": b"3"}


def test_a_pattern_has_all_that_it_names(ran):
    ran(attached(*(program("kretprobe", name, code=b"1") for name in ("vfs_read", "vfs_open"))))
    assert codes("kretprobe:vfs_* { }") == {"kretprobe:vfs_*": b"1"}


def test_a_program_that_belongs_to_no_probe_is_an_error(ran):
    ran(attached(program("kprobe", "a"), program("kprobe", "c")))
    with pytest.raises(FailedError, match="2 programs as kprobe, which are not those"):
        codes("kprobe:a { } kprobe:b { }")


def test_what_is_refused_is_left_out_and_the_rest_is_tried_again(ran):
    given = ran(
        said("stdin:1-2: ERROR: tracepoint not found: b:b\ntracepoint:b:b\n~~~\n"),
        said("stdin:3:1-9: ERROR: offset outside the function bounds\n"),
        said("ERROR: Error attaching probe: 'kretprobe:d'\n"),
        attached(program("kprobe", "a")),
    )
    text = "kprobe:a { }\ntracepoint:b:b { }\nkprobe:c { }\nkretprobe:d { } kprobe:d { }\n"
    found = of_script(text, ObjectSettings(("kprobe:a",)), "a.bt")
    assert [*found.functions] == ["kprobe:a"]
    assert {name: each.what for name, each in found.failures.items()} == {
        "tracepoint:b:b": "a.bt:2: bpftrace: tracepoint not found: b:b",
        "kprobe:c": "a.bt:3: bpftrace: offset outside the function bounds",
        "kretprobe:d": "a.bt:4: bpftrace: Error attaching probe: 'kretprobe:d'",
        "kprobe:d": "kprobe:d: bpftrace finds no such place",
    }
    assert given[-1].split() == b"kprobe:a { } kprobe:d { }".split()


def test_an_error_of_the_rest_is_not_what_is_said(ran):
    """It may be about a map that only the part left out defines."""
    ran(said("stdin:1:1-9: ERROR: no"), said("stdin:2:4-6: ERROR: Undefined map: @x"))
    with pytest.raises(Exception, match=r"a\.bt:1: bpftrace: no"):
        of_script(
            "kprobe:a { @x = 1; }\nkprobe:b { @y = @x; }", ObjectSettings(("kprobe:b",)), "a.bt"
        )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a.bt: bpftrace ends at once; leave exit() out of BEGIN"),
        ("Attaching 1 probe...\n", "a.bt: bpftrace ends at once; leave exit() out of BEGIN"),
        ("stdin:1:5-6: ERROR: \x1b[1m\n", r"a.bt:1:5-6: bpftrace: \x1b[1m"),
        ("ERROR: couldn't set RLIMIT_MEMLOCK for it\nout of luck\n", "a.bt: bpftrace: out of luck"),
    ],
)
def test_what_bpftrace_says_is_one_line(ran, text, why):
    ran(said(text))
    with pytest.raises(FailedError) as caught:
        codes("\nkprobe:a { }")
    assert str(caught.value) == why


def test_bpftrace_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(bpftrace_run, "_PLACES", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"bpftrace is not installed.*apt-get install"):
        bpftrace_run.run_script(b"BEGIN { }")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "a.bt"
    path.write_text("kprobe:a { } kprobe:b { }")
    return path


def test_a_script_is_its_probes(script):
    assert [each.name for each in programs_named([str(script)])] == [
        "a.bt:kprobe:a",
        "a.bt:kprobe:b",
    ]
    (one,) = programs_named([str(script)], object_settings(["kprobe:b"], [], []))
    assert (one.name, one.function, one.section) == ("a.bt", "kprobe:b", "kprobe/b")


@pytest.mark.parametrize(
    ("sizes", "values", "why"),
    [
        (["@=5"], [], "BPFTRACE_MAP_KEYS_MAX"),
        ([], ["x=5"], r"only its parameters \$1, \$2, … are set; write --set 1=VALUE"),
        ([], ["CONFIG_HZ=250"], "only its parameters"),
        ([], ["0=5"], "only its parameters"),
    ],
)
def test_scripts_have_no_settings(script, sizes, values, why):
    with pytest.raises(BadUseError, match=why):
        programs_named([str(script)], object_settings([], sizes, values))


def test_parameters_of_a_script(ran, script):
    settings = object_settings(["kprobe:a"], [], ["3=abc", "1=500"])
    assert [each.function for each in programs_named([str(script)], settings)] == ["kprobe:a"]
    ran(attached(program("kprobe", "a", code=b"1")))
    of_script("kprobe:a { }", settings, "a.bt")
    assert passed == ["500", "0", "abc"]


def test_a_script_that_others_can_write_is_refused(script):
    script.chmod(0o666)
    with pytest.raises(BadUseError, match="everybody can write"):
        programs_named([str(script)])


def test_a_script_without_probes(script):
    script.write_text("hello")
    with pytest.raises(BadUseError, match="has no probe"):
        programs_named([str(script)])
