"""Python command lines taken apart, and run as a fresh interpreter would."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ebpf_overhead.guest import child
from ebpf_overhead.guest.forked import parse


def test_script():
    got = parse(["python", "-u", "x.py", "-c", "y"])
    assert (got.kind, got.target, got.arguments) == ("script", "x.py", ("-c", "y"))
    assert got.unbuffered


def test_module_and_code():
    assert (parse(["python", "-m", "asv", "run"]).kind) == "module"
    assert parse(["python", "-Bs", "-c", "1"]).kind == "code"
    assert not parse(["python", "-Bs", "-c", "1"]).unbuffered


@pytest.mark.parametrize(
    "argv",
    [["python"], ["python", "-"], ["python", "-X", "dev", "x.py"],
     ["python", "-O", "x.py"], ["python", "-m"], ["python", "-i", "x.py"]],
)  # fmt: skip
def test_what_needs_a_fresh_interpreter(argv):
    assert parse(argv) is None


def forked(argv, cwd, env=None, names=("python",)):
    """Run as the agent does; the parent is a process of its own, as PID 1 is."""
    started = child.start(child.Command(argv, str(cwd), env or {}), names)
    output = {1: b"", 2: b""}
    for descriptor, stream in started.outputs.items():
        with open(descriptor, "rb") as file:
            output[stream] += file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1])
    return status, output[1].decode(), output[2].decode()


def fresh(argv, cwd, env=None):
    done = subprocess.run(
        [sys.executable, *argv[1:]], cwd=cwd, env={**os.environ, **(env or {})},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


PROGRAMS = {
    "output": "import sys; print('out'); print('err', file=sys.stderr)",
    "status": "raise SystemExit(7)",
    "status above 255": "raise SystemExit(300)",
    "message": "raise SystemExit('bad')",
    "arguments": "import sys; print(sys.argv[1:], __name__)",
    "input is empty": "import sys; print(repr(sys.stdin.read()))",
    "at exit": "import atexit; atexit.register(print, 'bye'); print('hello')",
    "thread": "import threading, time; threading.Timer(0.1, print, ['late']).start()",
    "main": "import sys; x = 3; print(sys.modules['__main__'].x)",
    "signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "os._exit": "import os; os._exit(9)",
    "not utf-8": r"import sys; sys.stdout.buffer.write(b'\xc3\xa4')",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_a_fresh_interpreter(program, tmp_path):
    (tmp_path / "program.py").write_text(program)
    argv = ["python", "program.py", "a", "-b"]
    assert forked(argv, tmp_path) == fresh(argv, tmp_path)
    assert forked(["python", "-c", program, "a"], tmp_path) == fresh(
        ["python", "-c", program, "a"], tmp_path
    )


def test_module_as_a_fresh_interpreter(tmp_path):
    (tmp_path / "thing.py").write_text("import sys; print(__name__, __spec__.name, sys.argv[1:])")
    argv = ["python", "-m", "thing", "x"]
    assert forked(argv, tmp_path) == fresh(argv, tmp_path) == (0, "__main__ thing ['x']\n", "")


def test_imports_beside_the_script_and_on_pythonpath(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "far_module.py").write_text("y = 'far'")
    (tmp_path / "near_module.py").write_text("x = 'near'")
    (tmp_path / "p.py").write_text("import near_module as n, far_module as f; print(n.x, f.y)")
    got = forked(["python", str(tmp_path / "p.py")], "/", {"PYTHONPATH": str(tmp_path / "lib")})
    assert got == (0, "near far\n", "")


@pytest.mark.parametrize("options", [["-I", "-m", "thing"], ["-sI", "-c", "import thing"]])
def test_isolated_finds_nothing_in_the_current_directory(options, tmp_path):
    (tmp_path / "thing.py").write_text("print('was run')")
    (tmp_path / "ebpf_overhead.py").write_text("print('was run')")
    argv = ["python", *options]
    for status, output, error in (forked(argv, tmp_path), fresh(argv, tmp_path)):
        assert (status, output) == (1, "")
        assert "No module named" in error
    code = "import ebpf_overhead; print(ebpf_overhead.__path__)"
    assert forked(["python", "-I", "-c", code], tmp_path, {"PYTHONPATH": str(tmp_path)})[0] == 0


def test_exception_gives_status_one_and_its_message(tmp_path):
    status, _, error = forked(["python", "-c", "1 / 0"], tmp_path)
    assert status == 1
    assert error.rstrip().endswith("ZeroDivisionError: division by zero")


def test_missing_script(tmp_path):
    status, _, error = forked(["python", "absent.py"], tmp_path)
    assert status == 2
    assert "absent.py" in error


def test_other_programs_are_executed(tmp_path):
    assert forked(["sh", "-c", "pwd; exit 3"], tmp_path) == (3, f"{tmp_path}\n", "")


def test_missing_program_and_directory(tmp_path):
    assert forked(["no-such-program"], tmp_path)[0] == 127
    assert forked(["/etc/passwd"], tmp_path)[0] == 126
    assert forked(["true"], tmp_path / "absent")[0] == 126


def test_environment_is_added_to(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    assert forked(["sh", "-c", "echo $KEPT $NEW"], tmp_path, {"NEW": "2"})[1] == "1 2\n"


def test_command_leads_its_own_session(tmp_path):
    code = "import os; print(os.getsid(0) == os.getpid())"
    assert forked(["python", "-c", code], tmp_path)[1] == "True\n"
