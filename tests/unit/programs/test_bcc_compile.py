"""BCC compiling in a process of its own: what comes out, and every way in which it fails."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from processes import drop, environment

from ebpf_overhead.bpf import maps
from ebpf_overhead.errors import BadUseError, FailedError, MissingToolError, UnsupportedError
from ebpf_overhead.programs import bcc_child, bcc_compile, store
from ebpf_overhead.programs.bcc import HEADERS
from ebpf_overhead.programs.bcc_compile import Source, compile_source
from ebpf_overhead.programs.catalogue import PROGRAMS
from ebpf_overhead.programs.compile_failures import NotCompiledError
from ebpf_overhead.programs.compiled import source_of, source_path
from ebpf_overhead.programs.kernel_headers import Headers, own_headers
from ebpf_overhead.programs.program_object import Constant

pytestmark = pytest.mark.usefixtures("bcc_installed")

EMPTY = "int program(void *ctx)\n{\n    return 0;\n}\n"


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory, monkeypatch):
    """Objects of these tests only."""
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))
    # In the directory that this names, nobody looks whether an object is still up to date.
    monkeypatch.delenv(store.OBJECTS_VARIABLE, raising=False)
    return store.directory()


@pytest.fixture
def compilations(monkeypatch):
    """Count the times that the compiler is started."""
    started: list[object] = []
    run = subprocess.run

    def note(*arguments, **options):
        started.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", note)
    return started


@pytest.fixture
def write(tmp_path):
    """Write a source and return what is to be compiled."""

    def write(text: str, *macros: str) -> Source:
        path = tmp_path / "mine.c"
        path.write_text(text)
        return Source(path, macros)

    return write


READS = """
int program(void *ctx)
{
    char bytes[8];
    bpf_probe_read_user(bytes, 8, (void *)64);
    bpf_probe_read_user_str(bytes, 8, (void *)64);
    bpf_probe_read_kernel(bytes, 8, ctx);
    return 0;
}
"""
COMPILE = """
import sys
from pathlib import Path
from ebpf_overhead.programs.bcc_compile import Source, compile_source
from ebpf_overhead.programs.code_flow import Code
from ebpf_overhead.programs.watching import helper_calls

(function,) = compile_source(Source(Path(sys.argv[1]))).functions.values()
print([number for _, number in helper_calls(Code(function.code, {}))])
"""
HIDING = 'mount --bind /dev/null /proc/kallsyms && exec "$@"'
HIDE = ["unshare", "--mount", "sh", "-c", HIDING, "sh"]


@pytest.mark.parametrize("hidden", [False, True])
def test_helpers_are_those_of_the_source_whoever_sees_the_kernels_symbols(write, hidden):
    """From a plain user they are hidden, from root where kernel.kptr_restrict is 2."""
    if hidden and os.geteuid() != 0:
        pytest.skip("root hides them here, and a plain user never sees them")
    words = [sys.executable, "-c", COMPILE, str(write(READS).path)]
    done = subprocess.run(
        [*HIDE, *words] if hidden else words, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[112, 114, 113]\n"


def test_maps_and_where_they_are_used():
    made = compile_source(source_of(PROGRAMS["simple"]))
    counts, lost = sorted(made.maps, key=lambda each: each.name)
    assert (counts.name, counts.kind) == ("counts", maps.MapType.HASH)
    assert (counts.key_bytes, counts.value_bytes) == (4, 8)
    assert (lost.name, lost.value_bytes, lost.max_entries) == ("lost_updates", 8, 1)
    assert counts.btf_key > 0
    assert counts.btf_value > 0
    assert made.btf
    (function,) = made.functions.values()
    assert {each.name for each in function.maps} == {"counts", "lost_updates"}
    for instruction, _, _ in function.maps:
        assert function.code[instruction * 8] == 0x18
        assert function.code[instruction * 8 + 4 : instruction * 8 + 8] == bytes(4)


def test_names_longer_than_the_kernel_keeps(write):
    first, second = (f"a_name_that_is_much_too_long_{each}" for each in "12")
    made = compile_source(
        write(
            f"BPF_ARRAY({first}, u64, 1);\nBPF_ARRAY({second}, u64, 2);\n"
            f"int program(void *ctx)\n{{\n    {second}.atomic_increment(0);\n    return 0;\n}}\n"
        )
    )
    assert {each.name: each.max_entries for each in made.maps} == {first: 1, second: 2}
    assert {each.name for each in made.functions["program"].maps} == {second}


def test_map_of_maps(write):
    made = compile_source(
        write(f'BPF_ARRAY(one, int, 4);\nBPF_ARRAY_OF_MAPS(all, "one", 8);\n{EMPTY}')
    )
    assert {each.name: each.inner for each in made.maps} == {"one": "", "all": "one"}


def test_a_perf_buffer_is_as_large_as_the_machine_that_loads_it(write):
    (events,) = compile_source(write(f"BPF_PERF_OUTPUT(events);\n{EMPTY}")).maps
    assert (events.kind, events.max_entries) == (maps.MapType.PERF_EVENT_ARRAY, 0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("filter", {"FILTER_PID": (32, 4242)}),
        (
            "probe_read_user",
            {
                "TARGET_TEXT": (64, 0x7F00_1234_5000),
                "TARGET_NS_DEV": (32, 4),
                "TARGET_NS_INO": (64, 4026531836),
                "TARGET_NS_PID": (32, 4242),
            },
        ),
    ],
)
def test_numbers_given_at_load_make_the_same_instructions_as_macros(name, values):
    path = source_path(name)
    constants = tuple(Constant(each, bits) for each, (bits, _) in values.items())
    later = compile_source(Source(path, (), constants)).functions["program"]
    suffix = {32: "", 64: "ULL"}
    macros = tuple(f"{each}={value}{suffix[bits]}" for each, (bits, value) in values.items())
    now = compile_source(Source(path, macros)).functions["program"]
    fds = {"counts": 5, "lost_updates": 6}
    numbers = {each: value for each, (_, value) in values.items()}
    assert later.linked(fds, numbers) == now.linked(fds, {})
    assert {each.name for each in later.constants} == set(values)


def test_constant_that_the_source_does_not_use(write):
    source = Source(write(EMPTY).path, (), (Constant("NOBODY"),))
    with pytest.raises(FailedError, match=r"mine\.c does not use NOBODY"):
        compile_source(source)


def test_compiled_once(write, compilations):
    source = write(EMPTY)
    assert compile_source(source) == compile_source(source)
    assert len(compilations) == 1


@pytest.mark.parametrize("change", ["source", "macro", "header"])
def test_compiled_again_when_something_changed(write, compilations, tmp_path, change):
    (tmp_path / "my own.h").write_text("#define ANSWER 1\n")
    text = '#include "my own.h"\nint program(void *ctx)\n{\n    return ANSWER;\n}\n'
    before = compile_source(write(text))
    if change == "header":
        (tmp_path / "my own.h").write_text("#define ANSWER 2\n")
    after = compile_source(
        write(text + "/* */\n" if change == "source" else text, *["X=1"] * (change == "macro"))
    )
    assert len(compilations) == 2
    assert (after.functions == before.functions) == (change != "header")


def test_own_headers_are_known_to_have_been_read():
    made = compile_source(source_of(PROGRAMS["empty"]))
    assert str(HEADERS / "include/linux/types.h") in made.made_from
    assert any("libLLVM" in name for name in made.made_from)
    assert any("libbcc" in name for name in made.made_from)


def test_headers_in_the_current_directory_are_not_read(tmp_path, monkeypatch):
    """They may be another user's, and a function in them would run in the kernel."""
    planted = tmp_path / "linux"
    planted.mkdir()
    for header in (HEADERS / "include/linux").iterdir():
        (planted / header.name).write_text("#error planted\n")
    monkeypatch.chdir(tmp_path)
    for name in ("CPATH", "C_INCLUDE_PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    compile_source(source_of(PROGRAMS["simple"]))
    assert Path.cwd() == tmp_path


def test_header_beside_a_program_is_read_wherever_one_is(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/answer.h").write_text("#define ANSWER 0\n")
    source = Path("own/mine.c")
    (tmp_path / source).write_text(f'#include "answer.h"\n{EMPTY.replace("0", "ANSWER")}')
    monkeypatch.chdir(tmp_path)
    assert set(compile_source(Source(source)).functions) == {"program"}


def test_compile_error_is_the_compilers_first(write, capfd):
    source = write("int program(void *ctx)\n{\n    return nonsense;\n}\n")
    with pytest.raises(FailedError) as caught:
        compile_source(source)
    assert str(caught.value) == (
        f"mine.c does not compile: {source.path}:3:12: error: use of undeclared identifier"
        " 'nonsense'"
    )
    assert capfd.readouterr() == ("", ""), "the compiler's other words are not shown besides"


def test_name_of_the_file_is_a_string_of_c(tmp_path):
    odd = tmp_path / 'say "hi\\".c'
    odd.write_text(EMPTY.replace("0", "nonsense"))
    with pytest.raises(FailedError, match=r'say "hi.*\.c:3:12: error'):
        compile_source(Source(odd))


def test_source_that_cannot_be_read(tmp_path):
    with pytest.raises(BadUseError, match=r"gone\.c cannot be read: No such file"):
        compile_source(Source(tmp_path / "gone.c"))


def test_more_than_512_bytes_of_stack(write):
    """Upon which the compiler ends its process."""
    source = write(
        "int program(void *c)\n{\n    volatile u64 a[80];\n"
        "    for (int i = 0; i < 80; i++)\n        a[i] = i;\n    return a[3];\n}\n"
    )
    with pytest.raises(FailedError, match=r"mine\.c needs more than 512 bytes of stack") as caught:
        compile_source(source)
    assert "\n" not in str(caught.value)


TOOL = """\
#include <uapi/linux/ptrace.h>
#include <uapi/linux/limits.h>
#include <linux/sched.h>
BPF_RINGBUF_OUTPUT(out, 8);
BPF_STACK_TRACE(stacks, 1000);
static __always_inline int id_of(struct pt_regs *ctx)
{
    return PT_REGS_PARM1(ctx) != PT_REGS_IP(ctx);
}
int program(struct pt_regs *ctx)
{
    char name[TASK_COMM_LEN + NAME_MAX];
    bpf_get_current_comm(&name, TASK_COMM_LEN);
    int stack = stacks.get_stackid(ctx, 0) + id_of(ctx);
    if (unlikely(stack < 0))
        return 0;
    out.ringbuf_output(&name, TASK_COMM_LEN, 0);
    return 0;
}
"""


def test_what_tools_include_and_use_is_there(write):
    found = {each.name: each.max_entries for each in compile_source(write(TOOL)).maps}
    assert found == {"out": 8 * mmap.PAGESIZE, "stacks": 1024}


def test_the_header_of_tracing_brings_that_of_tasks(write):
    """As the kernel's does: llcstat includes no other."""
    body = "char name[TASK_COMM_LEN]; return bpf_get_current_comm(&name, sizeof(name));"
    text = f"#include <linux/ptrace.h>\nint program(void *c) {{ {body} }}\n"
    assert list(compile_source(write(text)).functions) == ["program"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#include <linux/fs.h>\n", "'linux/fs.h' file not found"),
        (
            "#include <linux/sched.h>\nstatic int of(struct task_struct *t) { return t->pid; }\n",
            "incomplete definition of type 'struct task_struct'",
        ),
    ],
)
def test_what_is_missing_of_the_kernels_headers_is_named_and_how_to_have_it(write, text, words):
    with pytest.raises(FailedError) as caught:
        compile_source(write(text + EMPTY))
    assert words in caught.value.what
    assert f"install them (linux-headers-{os.uname().release} on Debian" in caught.value.remedy
    assert "or name their directory in BCC_KERNEL_SOURCE" in caught.value.remedy


@pytest.mark.parametrize("installed", [None, Headers(Path("/nope"), types=b"struct bpf_wq;\n")])
def test_headers_of_the_kernel_are_taken_where_own_ones_do_not_do(write, monkeypatch, installed):
    tried = []

    def compiled(source, text, headers, release):
        tried.append(headers)
        if headers == own_headers():
            raise NotCompiledError("mine.c does not compile", needs_headers=True)
        return "made"

    of_release = {"6.12": installed}
    monkeypatch.setattr(bcc_compile, "installed_headers", lambda release, _: of_release[release])
    monkeypatch.setattr(bcc_compile, "_compiled", compiled)
    source = write(EMPTY)
    if installed is None:
        with pytest.raises(NotCompiledError):
            compile_source(source, "6.12")
    else:
        assert compile_source(source, "6.12") == "made"
    assert tried == [own_headers(), *filter(None, [installed])]


def test_what_was_compiled_with_the_headers_of_the_kernel_is_found(write, monkeypatch):
    """In a guest, compiling in vain would take longer than measuring."""
    headers = Headers(Path("/nope"), types=b"struct bpf_wq;\n")
    source = write(EMPTY)
    key = bcc_compile._key(source, bcc_compile._text_of(source.path), headers)
    monkeypatch.setattr(bcc_compile, "installed_headers", lambda release, _: headers)
    monkeypatch.setattr(bcc_compile.store, "find", {key: "made"}.get)
    assert compile_source(source) == "made"


def test_types_come_before_the_text(write, monkeypatch):
    texts = []
    monkeypatch.setattr(bcc_compile, "_compile", lambda s, text, *_: texts.append(text))
    monkeypatch.setattr(bcc_compile, "_object_of", lambda *made: "made")
    monkeypatch.setattr(bcc_compile.store, "keep", lambda key, made: None)
    headers = Headers(Path("/nope"), types=b"types;")
    compiled = bcc_compile._compiled(write(EMPTY), b"text", headers, "")
    assert (compiled, texts) == ("made", [b"types;text"])


def test_own_header_that_is_missing_is_not_the_kernels(write):
    with pytest.raises(FailedError, match=r"'mine\.h' file not found") as caught:
        compile_source(write(f'#include "mine.h"\n{EMPTY}'))
    assert caught.value.remedy == ""


@pytest.mark.parametrize(
    "text",
    [
        "static u64 total;\nint program(void *c)\n{\n    total++;\n    return 0;\n}\n",
        "u64 limit = 5;\nint program(void *c)\n{\n    return limit < bpf_ktime_get_ns();\n}\n",
        "BPF_ARRAY(n, u64, 4);\nint program(void *c)\n{\n    u64 v[4] = {5, 6, 7, 8};\n"
        "    int k = 0;\n    n.update(&k, &v[bpf_get_smp_processor_id() & 3]);\n    return 0;\n}\n",
    ],
    ids=["static", "global", "array of constants"],
)
def test_static_and_global_data(write, text):
    with pytest.raises(FailedError) as caught:
        compile_source(write(text))
    assert str(caught.value) == (
        "mine.c: program uses static or global data, or an array of constants: BCC has none; keep"
        " it in a map (BPF_ARRAY), set its elements one by one, or measure an object file"
    )


def test_large_and_small_numbers_are_no_data(write):
    numbers = "0x123456789abcdef0ULL", "0xffffffffULL", "0x80000000ULL", "0", "-1"
    sums = "".join(f"    sum ^= bpf_ktime_get_ns() + {number};\n" for number in numbers)
    compile_source(
        write(f"int program(void *c)\n{{\n    u64 sum = 0;\n{sums}    return sum;\n}}\n")
    )


def test_compiler_that_takes_too_long(write, monkeypatch, tmp_path):
    os.mkfifo(tmp_path / "never.h")
    monkeypatch.setattr(bcc_compile, "_PATIENCE_S", 1)
    with pytest.raises(FailedError, match=r"mine\.c not compiled within 1 s"):
        compile_source(write(f'#include "never.h"\n{EMPTY}'))


ENDLESS = "".join(f"#define A{i} A{i - 1} A{i - 1}\n" for i in range(1, 40))


def test_compiler_that_needs_too_much(write, monkeypatch):
    """2 to the 39 words: more than there is time, or memory."""
    text = f"#define A0 1+\n{ENDLESS}int program(void *c)\n{{\n    return A39 0;\n}}\n"
    source = write(text)
    monkeypatch.setattr(bcc_compile, "_CPU_S", 1)
    with pytest.raises(FailedError, match=r"mine\.c.*(1 s of the CPU|the compiler ended)"):
        compile_source(source)
    monkeypatch.setattr(bcc_compile, "_CPU_S", 60)
    monkeypatch.setattr(bcc_compile, "_MEMORY_BYTES", 700 << 20)
    with pytest.raises(FailedError, match=r"mine\.c: the compiler ended with"):
        compile_source(write(f"{text}\n"))


def test_pinned_map(write):
    with pytest.raises(FailedError, match=r"mine\.c:1:1: error: get map info failed"):
        compile_source(
            write(
                'BPF_TABLE_PINNED("array", int, u64, theirs, 1, "/sys/fs/bpf/theirs");\n'
                "int program(void *ctx)\n{\n    theirs.atomic_increment(0);\n    return 0;\n}\n"
            )
        )


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Let another script take the compiler's place."""

    def child(code: str) -> None:
        (tmp_path / "child.py").write_text(code)
        monkeypatch.setattr(bcc_child, "__file__", str(tmp_path / "child.py"))

    return child


FAIL = "import sys; print('{}', file=sys.stderr); sys.exit({})"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (
            f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})",
            FailedError,
            r"mine\.c: the compiler ended with signal SIGSEGV: no reason given",
        ),
        (
            FAIL.format("LLVM ERROR: out of memory", 70),
            FailedError,
            r"mine\.c: the compiler ended with exit status 70: LLVM ERROR: out of memory",
        ),
        (
            FAIL.format(r"m.c:1: error: one\nm.c:2: error: two", bcc_child.NOT_COMPILED),
            FailedError,
            r"mine\.c does not compile: m\.c:1: error: one \(and 1 more\)",
        ),
        (
            FAIL.format("chdir(/x): no", bcc_child.NOT_COMPILED),
            UnsupportedError,
            r"BCC fails to compile mine\.c: chdir",
        ),
        (
            FAIL.format("libLLVM: no", bcc_child.NO_LIBRARY),
            MissingToolError,
            "BCC: libLLVM: no; install it",
        ),
    ],
)
def test_compiler_that_ends(write, child, code, kind, words):
    child(code)
    with pytest.raises(kind, match=words):
        compile_source(write(EMPTY))


def test_ctrl_c_reaches_the_compiler(write, child, tmp_path):
    """A signal to this process alone, as from ``kill``; a terminal sends it to both."""
    child(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        f"os.kill(os.getppid(), {int(signal.SIGINT)})\ntime.sleep(60)\n"
    )
    with pytest.raises(KeyboardInterrupt):
        compile_source(write(EMPTY))
    status = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    deadline = time.monotonic() + 50
    with suppress(OSError):  # nobody has it any more
        while status.read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline, "it still runs"
            time.sleep(0.01)


POWERLESS = """
import sys
import time
from contextlib import suppress
from pathlib import Path
from ebpf_overhead.bpf import maps
from ebpf_overhead.programs.bcc_compile import Source, compile_source
try:
    maps.create(maps.Dimensions(maps.MapType.HASH, 4, 4, 4))
except PermissionError:
    print("refused")
made = compile_source(Source(Path(sys.argv[1])))
print(sorted(each.name for each in made.maps))
"""


def test_no_privileges_are_needed(own_store):
    """So a user compiles here for a guest, where the program is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", POWERLESS, str(source_path("spin_lock"))],
        env=environment(),
        preexec_fn=lambda: drop(("CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON")),
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "refused" not in done.stdout:
        pytest.skip("this kernel lets anybody make maps")
    assert done.stdout == "refused\n['guarded']\n", done.stderr
