"""The compiled extension: what it times, what it refuses, and what it leaves behind."""

from __future__ import annotations

import ast
import ctypes
import errno
import gc
import importlib.util
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, ModuleType

import pytest

from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "ebpf_overhead").glob("workload/_workload*.c"))
CPU = max(os.sched_getaffinity(0))
NO_SUCH_CPU = 1_000_000


def require(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


def compile_c(output: Path, sources: list[Path], *flags: str) -> Path:
    command = [require("cc"), "-O2", "-std=gnu11", *flags, "-o", output, *sources]
    subprocess.run(command, check=True)
    return output


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


class InterruptionError(Exception):
    pass


@contextmanager
def signal_after(delay_s: float, handler: object, repeat_s: float = 0) -> Iterator[None]:
    """Have a handler called after so much CPU time; SIGALRM is left to pytest-timeout.

    Once only unless told: a handler that raises must not be called on the way out.
    """
    earlier = signal.signal(signal.SIGPROF, handler)  # type: ignore[arg-type]
    signal.setitimer(signal.ITIMER_PROF, delay_s, repeat_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


# What it returns


def calls_of(workload: str) -> int:
    """Calls of a window: fewer of expensive ones."""
    return WORKLOADS[workload].checked_calls if workload in WORKLOADS else 10_000


@pytest.mark.parametrize("workload", _workload.WORKLOADS)
def test_run_returns_each_window_and_all_calls(workload: str) -> None:
    few = calls_of(workload)
    elapsed_ns, calls = _workload.run(workload, few, windows=7, cpu=CPU)
    assert len(elapsed_ns) == 7
    assert all(type(window_ns) is int and window_ns > 0 for window_ns in elapsed_ns)
    assert calls == 7 * few


def test_elapsed_time_is_that_of_the_windows() -> None:
    start_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    elapsed_ns, _ = _workload.run("getpid", 100_000, 3)
    outside_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - start_ns
    assert 0.5 * outside_ns < sum(elapsed_ns) <= outside_ns


def test_one_window_by_default() -> None:
    elapsed_ns, calls = _workload.run("getppid", 5)
    assert (len(elapsed_ns), calls) == (1, 5)


def test_loop_costs_little_compared_with_a_call() -> None:
    def fastest_ns(workload: str) -> int:
        return min(_workload.run(workload, 10_000, 30, cpu=CPU)[0])

    assert fastest_ns("none") < fastest_ns("function")
    assert fastest_ns("none") < 0.2 * fastest_ns("getpid")


def test_clock_cost_is_the_time_of_empty_windows() -> None:
    assert len(_workload.clock_cost()) == 1000
    cost_ns = _workload.clock_cost(windows=5000)
    assert len(cost_ns) == 5000
    assert all(type(window_ns) is int and window_ns >= 0 for window_ns in cost_ns)
    # Less than a window with a hundred system calls in it.
    assert statistics.median(cost_ns) < min(_workload.run("getpid", 100, 100)[0])


def test_stub_names_everything_in_the_module() -> None:
    stub = ast.parse(Path(_workload.__file__).with_name("_workload.pyi").read_text())
    documented = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    documented |= {
        node.target.id
        for node in stub.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert documented == {name for name in vars(_workload) if not name.startswith("_")}


def test_windows_that_another_task_interrupts_are_marked() -> None:
    cpu = max(os.sched_getaffinity(0))
    loop = f"import os; os.sched_setaffinity(0, [{cpu}])\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", loop]) as other:
        try:
            marked = bytearray(1)
            deadline_s = time.monotonic() + 60
            while not any(marked) and time.monotonic() < deadline_s:
                marked = bytearray(b"\xff" * 50)
                _workload.run("getpid", 4000, 50, cpu=cpu, preempted=marked)
        finally:
            other.kill()
    assert set(marked) == {0, 1}


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("fork", 1), ValueError, r"workload is unknown: 'fork'; choose one of \('getpid', "),
        (("getpid", 0), ValueError, "calls is out of range: 0; choose 1 to 4294967296"),
        (("getpid", -1), ValueError, "calls is out of range: -1"),
        (("getpid", 2**32 + 1), ValueError, "calls is out of range: 4294967297"),
        (("getpid", 2**64 + 1), ValueError, "calls is out of range: 18446744073709551617"),
        (("getpid", -(2**63) - 1), ValueError, "calls is out of range"),
        (("getpid", 1, 0), ValueError, "windows is out of range: 0; choose 1 to 16777216"),
        (("getpid", 1, 2**24 + 1), ValueError, "windows is out of range"),
        (("getpid", 1, 1, -1), ValueError, "cpu is out of range: -1; choose 0 to 1048575"),
        (("getpid", 1, 1, 2**20), ValueError, "cpu is out of range"),
        (("getpid", 1.0), TypeError, "float"),
        (("getpid", "1"), TypeError, "str"),
        (("getpid", 1, None), TypeError, "NoneType"),
        (("getpid", 1, 1, 0.0), TypeError, "float"),
        ((1, 1), TypeError, "str"),
        (("get\0pid", 1), ValueError, "null"),
        (("getpid",), TypeError, "calls"),
        (("getpid", 1, 3, None, None, bytearray(2)), ValueError, "2 bytes for 3 windows"),
        (("getpid", 1, 1, None, None, b" "), BufferError, "not writable"),
        (("getpid", 1, 1, None, -1, None, 1), TypeError, "at most 6"),
    ],
)
def test_run_refuses(arguments: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _workload.run(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("windows", [0, -1, 2**24 + 1, 2**70])
def test_clock_cost_refuses(windows: int) -> None:
    with pytest.raises(ValueError, match="windows is out of range"):
        _workload.clock_cost(windows)


def test_documented_bounds_are_checked() -> None:
    assert _workload.MAX_CALLS == 2**32
    assert _workload.MAX_WINDOWS == 2**24


def test_impossible_cpu_is_named_and_nothing_changes() -> None:
    earlier = os.sched_getaffinity(0)
    with pytest.raises(OSError, match=f"sched_setaffinity to CPU {NO_SUCH_CPU}: .*; ") as caught:
        _workload.run("getpid", 1, cpu=NO_SUCH_CPU)
    assert caught.value.errno == errno.EINVAL
    assert os.sched_getaffinity(0) == earlier


FORBID_GETPPID = """
import ctypes, struct
from ebpf_overhead.workload import _workload

# Load the system call's number; getppid fails with EACCES, all else is allowed.
number = {"x86_64": 110, "aarch64": 173}[__import__("os").uname().machine]
program = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, number,
                      0x06, 0, 0, 0x00050000 | 13, 0x06, 0, 0, 0x7FFF0000)
buffer = ctypes.create_string_buffer(program)
descriptor = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, descriptor, 0, 0):
    print("no seccomp")
    raise SystemExit
_workload.run("getpid", 10)
try:
    _workload.run("getppid", 10)
except PermissionError as error:
    print(error)
"""


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="number not known here")
def test_failing_workload_is_named() -> None:
    result = run_python(FORBID_GETPPID)
    if "no seccomp" in result.stdout:
        pytest.skip("the kernel refuses a seccomp filter")
    assert result.stdout == "[Errno 13] getppid: Permission denied\n", result.stderr


# Pinning


def test_pinned_during_the_windows_only() -> None:
    seen: list[set[int]] = []

    def look(signum: int, frame: FrameType | None) -> None:
        seen.append(os.sched_getaffinity(0))

    earlier = os.sched_getaffinity(0)
    with signal_after(0.002, look, repeat_s=0.002):
        _workload.run("getpid", 1000, 3000, cpu=CPU)
    # The last signal may have come in the last window, and is handled after it.
    assert seen[:-1]
    assert all(cpus == {CPU} for cpus in seen[:-1])
    assert os.sched_getaffinity(0) == earlier


def test_only_the_calling_thread_is_pinned() -> None:
    seen: list[set[int]] = []
    thread = threading.Thread(
        target=lambda: (
            _workload.run("getpid", 1000, 500, cpu=CPU),
            seen.append(os.sched_getaffinity(0)),
        )
    )
    earlier = os.sched_getaffinity(0)
    thread.start()
    while thread.is_alive():
        assert os.sched_getaffinity(0) == earlier
    assert seen == [earlier]


def test_narrower_affinity_is_restored() -> None:
    earlier = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(earlier)})
    try:
        _workload.run("getpid", 10, cpu=CPU)
        assert os.sched_getaffinity(0) == {min(earlier)}
    finally:
        os.sched_setaffinity(0, earlier)


# A C library whose affinity calls fail as those of other machines do.
AFFINITY_SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls;

static int told(const char *what)
{
    return strcmp(getenv("SHIM"), what) == 0;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
    long length;

    if (told("refuse to read") || (told("4096 CPUs") && size < 512)) {
        errno = told("refuse to read") ? EPERM : EINVAL;
        return -1;
    }
    memset(cpus, 0, size);
    length = syscall(SYS_sched_getaffinity, pid, size, cpus);
    return length < 0 ? -1 : 0;
}

int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *cpus)
{
    if (told("refuse to restore") && ++calls == 2) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_sched_setaffinity, pid, size, cpus);
}
"""

PIN_ONCE = """
import os, signal, threading
from ebpf_overhead.workload import _workload

def give_up(signum, frame):
    raise KeyError("given up")

signal.signal(signal.SIGUSR1, give_up)
if os.environ.get("INTERRUPT"):
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
try:
    print(_workload.run("getpid", 1000, 3000, cpu=max(os.sched_getaffinity(0)))[1])
except Exception as error:
    print(repr(error))
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(AFFINITY_SHIM)
    return str(compile_c(folder / "shim.so", [folder / "shim.c"], "-shared", "-fPIC"))


def test_kernel_for_more_cpus_than_cpu_set_t_holds(shim: str) -> None:
    result = run_python(PIN_ONCE, LD_PRELOAD=shim, SHIM="4096 CPUs")
    assert result.stdout == "3000000\n", result.stderr


def test_unreadable_affinity_is_named(shim: str) -> None:
    code = PIN_ONCE.replace("max(os.sched_getaffinity(0))", "0")
    result = run_python(code, LD_PRELOAD=shim, SHIM="refuse to read")
    assert "sched_getaffinity: Operation not permitted" in result.stdout, result.stderr


def test_failed_restoration_is_an_error(shim: str) -> None:
    result = run_python(PIN_ONCE, LD_PRELOAD=shim, SHIM="refuse to restore")
    assert result.stdout.startswith("OSError(22, 'sched_setaffinity to the earlier CPUs: ")


def test_failed_restoration_does_not_hide_another_error(shim: str) -> None:
    # However fast calls are, the signal comes before they are done.
    code = PIN_ONCE.replace("3000", "300_000")
    result = run_python(code, LD_PRELOAD=shim, SHIM="refuse to restore", INTERRUPT="1")
    assert result.stdout == "KeyError('given up')\n"
    assert "sched_setaffinity to the earlier CPUs" in result.stderr


# Signals and threads


def test_exception_of_a_signal_handler_ends_the_run() -> None:
    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise InterruptionError

    earlier = os.sched_getaffinity(0)
    start_s = time.monotonic()
    with signal_after(0.02, interrupt), pytest.raises(InterruptionError):
        _workload.run("getpid", 1000, 200_000, cpu=CPU)  # 20 s
    assert time.monotonic() - start_s < 5
    assert os.sched_getaffinity(0) == earlier


def test_clock_cost_can_be_interrupted() -> None:
    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise InterruptionError

    with signal_after(0.02, interrupt), pytest.raises(InterruptionError):
        _workload.clock_cost(_workload.MAX_WINDOWS)


def test_other_threads_run_during_a_window() -> None:
    woken_s: list[float] = []

    def wake_up() -> None:
        time.sleep(0.02)
        woken_s.append(time.monotonic())

    thread = threading.Thread(target=wake_up)
    thread.start()
    _workload.run("getpid", 20_000_000)  # about 2 s
    end_s = time.monotonic()
    thread.join()
    assert woken_s[0] < end_s - 0.05


# What it leaves behind


def rss_bytes() -> int:
    """From the page tables themselves: some kernels' counters are off by megabytes."""
    (rss_kib,) = re.findall(r"^Rss: +(\d+) kB$", Path("/proc/self/smaps_rollup").read_text(), re.M)
    return 1024 * int(rss_kib)


def use_everything() -> None:
    _workload.run("getpid", 1, windows=1000, cpu=CPU)
    _workload.workload_symbol()
    _workload.clock_cost(10)
    for arguments in (("fork", 1), ("getpid", 0), ("getpid", 1, 0), ("getpid", 1, 1, NO_SUCH_CPU)):
        with suppress(ValueError, OSError):
            _workload.run(*arguments)


def fail_between_windows() -> None:
    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise InterruptionError

    with signal_after(0.001, interrupt), suppress(InterruptionError):
        _workload.run("getpid", 100, 1_000_000, cpu=CPU)


def test_million_windows_leak_nothing() -> None:
    for _ in range(20):
        use_everything()
        fail_between_windows()
    tracemalloc.start()
    try:
        use_everything()
        gc.collect()
        blocks, rss = sys.getallocatedblocks(), rss_bytes()
        traced = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            use_everything()
        for _ in range(100):
            fail_between_windows()
        gc.collect()
        traced_growth = tracemalloc.get_traced_memory()[0] - traced
        blocks_growth, rss_growth = sys.getallocatedblocks() - blocks, rss_bytes() - rss
    finally:
        tracemalloc.stop()
    # One object or allocation leaked by one of the hundred runs that fail would be more.
    assert blocks_growth < 100
    assert traced_growth < 3200
    assert rss_growth < 2**20


def test_references_to_arguments_are_released() -> None:
    workload, calls = "".join(["get", "pid"]), int("123456")
    before = sys.getrefcount(workload), sys.getrefcount(calls)
    for _ in range(1000):
        _workload.run(workload, calls // 123456, windows=1)
        with suppress(ValueError):
            _workload.run(workload, calls, windows=-calls)
    assert (sys.getrefcount(workload), sys.getrefcount(calls)) == before


# What really happens, seen from outside


def test_every_call_is_made_and_the_clock_is_read_in_user_space(tmp_path: Path) -> None:
    def trace(code: str) -> str:
        log = tmp_path / "strace.log"
        command = [require("strace"), "-f", "-o", log, "-e", "trace=getppid,clock_gettime"]
        result = subprocess.run(
            [*command, sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if "PTRACE" in result.stderr:
            pytest.skip(f"strace may not trace here: {result.stderr.strip()}")
        return log.read_text()

    traced = trace("from ebpf_overhead.workload import _workload; _workload.run('getppid', 500, 3)")
    assert traced.count("getppid()") == 1500
    # Some clock sources cannot be read in user space, by nobody.
    by_python = trace("import time; time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)")
    if "clock_gettime" not in by_python:
        assert "clock_gettime" not in traced


FOR_UPROBES = [name for name in _workload.WORKLOADS if re.match("function|usdt", name)]


@pytest.mark.parametrize("workload", FOR_UPROBES)
def test_symbol_is_where_the_function_is(workload: str) -> None:
    path, symbol, offset_bytes = _workload.workload_symbol(workload)
    assert Path(path).samefile(_workload.__file__)
    library = ctypes.CDLL(path)  # finds it in the dynamic symbol table or raises
    address = ctypes.cast(library[symbol], ctypes.c_void_p).value
    assert address is not None
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last, offset = re.match(r"(\w+)-(\w+) \S+ (\w+)", line).groups()  # type: ignore[union-attr]
        if int(first, 16) <= address < int(last, 16):
            assert offset_bytes == address - int(first, 16) + int(offset, 16)
            break
    else:
        pytest.fail(f"no mapping holds {address:#x}")


def test_function_of_the_c_library_is_where_the_linker_finds_it() -> None:
    path, symbol, offset_bytes = _workload.workload_symbol("malloc_free")
    address = ctypes.cast(ctypes.CDLL(None)[symbol], ctypes.c_void_p).value
    assert (symbol, Path(path).is_absolute()) == ("malloc", True)
    assert address is not None
    lines = Path("/proc/self/maps").read_text().splitlines()
    (line,) = (
        line
        for line in lines
        if int(line.split("-")[0], 16) <= address < int(line.split()[0].split("-")[1], 16)
    )
    first, offset, name = (line.split()[0].split("-")[0], line.split()[2], line.split()[-1])
    assert Path(path).samefile(name)
    assert offset_bytes == address - int(first, 16) + int(offset, 16)


def test_only_functions_have_a_symbol() -> None:
    for workload in set(_workload.WORKLOADS) - {*FOR_UPROBES, "malloc_free"}:
        with pytest.raises(ValueError, match=f"workload has no symbol: '{workload}'"):
            _workload.workload_symbol(workload)
    with pytest.raises(ValueError, match="workload is unknown: 'fork'"):
        _workload.workload_symbol("fork")


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="C chooses elsewhere")
def test_functions_begin_with_the_instruction_in_their_name() -> None:
    machine = os.uname().machine
    for workload, begins_with in {
        "function": {"x86_64": "90c3", "aarch64": "1f2003d5c0035fd6"},
        "function_nop5": {"x86_64": "0f1f440000c3"},
        "function_nop10": {"x86_64": "662e0f1f840000000000c3"},
        "function_push": {"x86_64": "555dc3", "aarch64": "fd7bbfa9fd7bc1a8c0035fd6"},
        "function_ret": {"x86_64": "c3", "aarch64": "c0035fd6"},
        "usdt": {"x86_64": "90c3", "aarch64": "1f2003d5c0035fd6"},
    }.items():
        if machine not in begins_with:
            assert workload not in _workload.WORKLOADS
            continue
        path, _, offset_bytes = _workload.workload_symbol(workload)
        code = Path(path).read_bytes()[offset_bytes:]
        assert code.startswith(bytes.fromhex(begins_with[machine])), workload


def test_tools_find_the_usdt_probe_by_its_note() -> None:
    if "usdt" not in _workload.WORKLOADS:
        pytest.skip("written in assembly")
    notes = subprocess.run(
        [require("readelf"), "-nW", _workload.__file__], check=True, capture_output=True, text=True
    ).stdout
    assert re.findall(r"Provider: (\S+)\s+Name: (\S+)", notes) == [("ebpf_overhead", "target")]
    (location,) = re.findall(r"Location: 0x([0-9a-f]+)", notes)
    symbols = subprocess.run(
        [require("readelf"), "-sW", "--dyn-syms", _workload.__file__],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert re.search(rf"{location} .* ebpf_overhead_usdt$", symbols, re.M)


def disassemble(symbol: str) -> list[tuple[int, str, str]]:
    """Addresses, mnemonics and operands of one function of the built extension."""
    command = [require("objdump"), "-d", "--no-show-raw-insn", f"--disassemble={symbol}"]
    text = subprocess.run(
        [*command, _workload.__file__], check=True, capture_output=True, text=True
    ).stdout
    lines = re.findall(r"^ *([0-9a-f]+):\t(\S+) *\t?([^\n]*)$", text, re.MULTILINE)
    return [(int(address, 16), name, operands) for address, name, operands in lines]


def loop_of(symbol: str) -> list[str]:
    """The instructions from the target of a function's backward jump to that jump."""
    code = disassemble(symbol)
    for address, name, operands in code:
        jump = re.search(r"\b([0-9a-f]+) <", operands)
        if jump and name[0] in "jbc" and code[0][0] <= int(jump[1], 16) < address:
            start = int(jump[1], 16)
            return [f"{n} {o}".strip() for a, n, o in code if start <= a <= address]
    raise AssertionError(f"no loop in {symbol}: {code}")


# The loops that are a system call or two, or a function, and nothing else.
SIMPLE = [
    *("none", "getpid", "getppid", "getpgid", "read", "write", "openat_close", "sendto"),
    *("stat", "sched_yield", "file_write", "file_fsync", *FOR_UPROBES),
]


@pytest.mark.parametrize("workload", SIMPLE)
def test_loop_adds_few_instructions(workload: str) -> None:
    loop = loop_of(f"loop_{workload}")
    calls = [line for line in loop if re.match(r"syscall|svc|call|bl\b", line)]
    expected = {"none": 0, "openat_close": 2, "file_fsync": 2}.get(workload, 1)
    assert len(calls) == expected, loop
    # sendto takes six arguments, some others four: what is left of six is 0.
    several = {"openat_close": 8, "sendto": 5, "file_fsync": 8, "stat": 6, "file_write": 6}
    allowed = several.get(workload, 4)
    assert 2 <= len(loop) - len(calls) <= allowed, loop
    if workload == "function":
        # Not through the procedure linkage table.
        assert "<ebpf_overhead_target>" in calls[0]


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The extension as it is built for other architectures."""
    flags = ["-shared", "-fPIC", "-DWORKLOAD_PORTABLE", f"-I{sysconfig.get_path('include')}"]
    library = compile_c(tmp_path_factory.mktemp("portable") / "_workload.so", SOURCES, *flags)
    spec = importlib.util.spec_from_file_location("portable._workload", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_portable_form_has_no_workload_in_assembly(portable: ModuleType) -> None:
    assert list(portable.WORKLOADS) == IN_C


def test_portable_form_calls_libc(portable: ModuleType) -> None:
    assert b"\0syscall\0" in Path(str(portable.__file__)).read_bytes()


# What is written in assembly the portable form has not got.
IN_C = [
    name for name in _workload.WORKLOADS if not re.match("function_|usdt|exec|thread_create", name)
]


@pytest.mark.parametrize("workload", IN_C)
def test_portable_form_works(portable: ModuleType, workload: str) -> None:
    # Windows of expensive workloads are short, too, so that some are not interrupted; and both take
    # turns, so that the CPU is as fast for either.
    theirs_ns, ours_ns = [], []
    if workload not in SIMPLE:  # times of several tasks are not compared
        assert portable.run(workload, 5, 2)[1] == 10
        return
    for _ in range(10):
        elapsed_ns, calls = portable.run(workload, 500, 40, CPU)
        assert (len(elapsed_ns), calls) == (40, 20_000)
        theirs_ns += elapsed_ns
        ours_ns += _workload.run(workload, 500, 40, CPU)[0]
    # libc adds a few ns to a system call, not another system call.
    assert min(theirs_ns) < 2 * min(ours_ns) + 5_000
