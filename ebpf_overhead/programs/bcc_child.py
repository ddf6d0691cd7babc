"""Compiles one BPF program with BCC, in a process of its own; run as a script, isolated.

The compiler may need any amount of time and memory, and may end its process: then this one
ends, and no measuring does.  It asks the kernel for nothing: each bpf(2) that BCC calls to
make maps is caught by a seccomp filter, noted, and answered with a descriptor that stands
for the map.  So compiling needs no privileges, and cannot load or attach anything.

It is started often, so little is imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a script in isolated mode does not find the package that it is in
    sys.path.append(str(Path(__file__).parents[2]))

from ebpf_overhead.programs.bpf_trap import CaughtCalls

# How this process ends, besides by a signal.
NO_LIBRARY, NOT_COMPILED = 3, 4

# Of enum bpf_cmd.
_MAP_CREATE, _BTF_LOAD = 0, 18
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_TRACEFS, _SYMBOLS = "/sys/kernel/tracing", "/proc/kallsyms"
# The helpers for reading memory that every kernel has on which programs are measured (Linux 5.5).
HELPERS = Path(__file__).with_name("kallsyms")

# What the libraries are called that the code depends on.
_COMPILER = ("libbcc", "libLLVM", "libclang")


class BpfCalls(CaughtCalls):
    """The calls that BCC makes; each is answered with a descriptor and nothing is done.

    Attributes
    ----------
    maps : list of tuple
        Of each map made: the descriptor that stands for it and the attribute of the call.
    btf : bytes
        The type information loaded last.
    """

    def __init__(self) -> None:
        self.maps: list[tuple[int, bytes]] = []
        self.btf = b""
        super().__init__()

    def answer(self, command: int, attribute: int, size: int) -> int:
        """Return a descriptor of its own, whatever it stands for."""
        descriptor = os.open(os.devnull, os.O_RDONLY)
        if command == _MAP_CREATE:
            self.maps.append((descriptor, ctypes.string_at(attribute, size)))
        elif command == _BTF_LOAD:
            data, length = struct.unpack_from("=Q8xI", ctypes.string_at(attribute, size))
            self.btf = ctypes.string_at(data, length)
        return descriptor


def compile_source(library: ctypes.CDLL, text: bytes, flags: Sequence[str]) -> int | None:
    """Return BCC's module of a source; None when it does not compile."""
    library.bpf_module_create_c_from_string.restype = ctypes.c_void_p
    options = (ctypes.c_char_p * len(flags))(*map(os.fsencode, flags))
    module: int | None = library.bpf_module_create_c_from_string(
        text, 0, options, len(flags), False, None
    )
    return module


def functions(library: ctypes.CDLL, module: ctypes.c_void_p) -> dict[str, str]:
    """Return the instructions of each BPF function of a module, in hexadecimal digits."""
    library.bpf_num_functions.restype = ctypes.c_size_t
    library.bpf_function_name.restype = ctypes.c_char_p
    library.bpf_function_start.restype = ctypes.c_void_p
    library.bpf_function_size.restype = ctypes.c_size_t
    found = {}
    for index in range(library.bpf_num_functions(module)):
        name = library.bpf_function_name(module, ctypes.c_size_t(index))
        start = library.bpf_function_start(module, name)
        size = library.bpf_function_size(module, name)
        found[name.decode()] = ctypes.string_at(start, size).hex()
    return found


def map_names(library: ctypes.CDLL, module: ctypes.c_void_p) -> dict[int, str]:
    """Return the names of a module's maps in the source, by descriptor.

    The kernel is told the first 15 characters.
    """
    library.bpf_num_tables.restype = ctypes.c_size_t
    library.bpf_table_name.restype = ctypes.c_char_p
    count = library.bpf_num_tables(module)
    numbers = [ctypes.c_size_t(number) for number in range(count)]
    return {
        library.bpf_table_fd_id(module, number): library.bpf_table_name(module, number).decode()
        for number in numbers
    }


def described(calls: BpfCalls, names: dict[int, str]) -> list[dict[str, Any]]:
    """Return the maps that were made, in order: descriptor, names, and attribute of bpf(2)."""
    rows = []
    for descriptor, attribute in calls.maps:
        name, inner = attribute[28:44].split(b"\0")[0].decode(), attribute[20:24]
        rows.append(
            {
                "descriptor": descriptor,
                "name": names.get(descriptor, name),
                "inner": names.get(struct.unpack("=I", inner)[0], "") if any(inner) else "",
                "attribute": attribute.hex(),
            }
        )
    return rows


def _headers(rule: bytes) -> list[str]:
    """Return the files that a rule for make depends on, BCC's own in memory left out."""
    text = rule.decode(errors="surrogateescape").partition(": ")[2].replace("\\\n", " ")
    words = text.replace("\\ ", "\0").split()
    paths = [word.replace("\0", " ").replace("$$", "$").replace("\\#", "#") for word in words]
    return sorted(path for path in paths if not path.startswith("/virtual/"))


def _libraries() -> list[str]:
    """Return the files of the compiler that are mapped into this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if Path(path).name.startswith(_COMPILER))


def _see_own_mounts(formats: bool) -> None:
    """Have BCC see what it looks for, by mounts that this process alone has.

    BCC chooses helpers by the symbols of the kernel that runs.  A plain user does not see them, nor
    does anybody where ``kernel.kptr_restrict`` is 2, and BCC then makes another program of the same
    source, with ``bpf_probe_read`` in place of ``bpf_probe_read_user``.

    Parameters
    ----------
    formats : bool
        Whether it looks for the formats of events.  Without the privileges it says what it does
        not find.
    """
    libc = ctypes.CDLL(None)
    if libc.unshare(ctypes.c_int(_CLONE_NEWNS)) and not _become_root_of_own_users(libc):
        return
    libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)
    libc.mount(bytes(HELPERS), _SYMBOLS.encode(), None, ctypes.c_ulong(_MS_BIND), None)
    if formats and not Path(_TRACEFS, "events").is_dir():
        libc.mount(b"tracefs", _TRACEFS.encode(), b"tracefs", ctypes.c_ulong(0), None)


def _become_root_of_own_users(libc: ctypes.CDLL) -> bool:
    """Be allowed to mount for this process alone; nobody but root is shown symbols by BCC."""
    user = os.geteuid()
    if libc.unshare(ctypes.c_int(_CLONE_NEWNS | _CLONE_NEWUSER)):
        return False
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    return True


def _bound(cpu_s: int, memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


def main() -> int:
    """Compile what standard input says, and write what came of it to standard output.

    Input is JSON: ``library``, ``text``, ``flags``, ``formats``, ``cpu_s`` and
    ``memory_bytes``.  So is the output: ``functions``, ``maps``, ``btf``, and what it was made
    of, ``headers`` and ``libraries``.
    """
    wanted: dict[str, Any] = json.load(sys.stdin)
    output = os.dup(1)
    os.dup2(2, 1)  # BCC prints there
    _see_own_mounts(wanted["formats"])
    _bound(wanted["cpu_s"], wanted["memory_bytes"])
    try:
        library = ctypes.CDLL(wanted["library"])
    except OSError as error:
        print(error, file=sys.stderr)
        return NO_LIBRARY
    calls = BpfCalls()
    rule = os.memfd_create("headers")
    flags = [*wanted["flags"], "-MD", "-MF", f"/proc/self/fd/{rule}"]
    address = compile_source(library, wanted["text"].encode("latin-1"), flags)
    if address is None:
        return NOT_COMPILED
    module = ctypes.c_void_p(address)
    result = {
        "functions": functions(library, module),
        "maps": described(calls, map_names(library, module)),
        "btf": calls.btf.hex(),
        "headers": _headers(os.pread(rule, 1 << 20, 0)),
        "libraries": _libraries(),
    }
    with open(output, "w") as stream:
        json.dump(result, stream)
    sys.stderr.flush()
    # Without the clean-up of LLVM and BCC, which takes time.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
