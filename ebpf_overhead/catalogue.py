"""The catalogue of programs: what a BPF program does when it runs.

Where a program is attached is none of its business: every one is measured at any attach
type that allows what it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import BadUseError


@dataclass(frozen=True)
class Program:
    """What a BPF program does when it runs.

    Attributes
    ----------
    name : str
        Name in results; that of its file, with ``.c``, for one of the user's own.
    go_name : str
        Its name in ``BenchmarkGetpid…`` lines.
    summary : str
        One line for tables and help.
    source : Path or None
        File of one of the user's own; None for those in ``probes``.
    group : str
        Name under which it is asked for together with its like; empty for one's own.
    file : str
        Name of its source in ``probes``, where that is not its own.
    definitions : tuple of str
        ``NAME=value`` for the preprocessor; more may come from what the machine is like.
    """

    name: str
    go_name: str
    summary: str
    source: Path | None = None
    group: str = ""
    file: str = ""
    definitions: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Name of the source in ``probes``."""
        return f"{self.file or self.name}.c"


def _group(group: str, *rows: tuple[str, str] | tuple[str, str, str, str]) -> list[Program]:
    """Return the programs of a group: name, summary, and for some file and definition."""
    programs = []
    for name, summary, *variant in rows:
        go_name = "".join(part.capitalize() for part in name.split("_"))
        file, *definitions = variant or [""]
        programs.append(
            Program(name, go_name, summary, None, group, file, tuple(filter(None, definitions)))
        )
    return programs


_REFERENCE = [
    Program("empty", "NoMap", "does nothing at all", group="reference"),
    Program("simple", "SimpleMap", "increments a hash map, key = pid", group="reference"),
    Program(
        "complex",
        "ComplexMap",
        "increments a hash map, key = pid, time % 1024, command name",
        group="reference",
    ),
]
_MAPS = _group(
    "maps",
    ("array", "increments an element of an array"),
    ("percpu_array", "increments an element of a per-CPU array"),
    ("percpu_hash", "increments a per-CPU hash map, key = pid"),
    ("lru_hash", "increments an LRU hash map, key = pid"),
    ("lru_percpu_hash", "increments an LRU per-CPU hash map, key = pid"),
    ("hash_reinsert", "deletes a key of a hash map and inserts it again"),
    ("hash_no_prealloc", "the same without preallocation"),
    ("task_storage", "increments a value kept with the task"),
    ("queue", "pushes a value into a queue and pops it"),
    ("spin_lock", "increments an element of an array under its lock"),
    ("updates_1", "overwrites 1 key of a hash map", "updates", "UPDATES=1"),
    ("updates_8", "overwrites 8 keys of a hash map", "updates", "UPDATES=8"),
    ("updates_64", "overwrites 64 keys of a hash map", "updates", "UPDATES=64"),
)
_BUFFERS = _group(
    "buffers",
    ("ringbuf_output", "copies 16 bytes into a ring buffer"),
    ("ringbuf_reserve", "reserves 16 bytes in a ring buffer and submits them"),
    ("perf_event_array", "copies 16 bytes into a perf buffer"),
)
_HELPERS = _group(
    "helpers",
    ("get_current_pid_tgid", "asks for the process id"),
    ("get_current_uid_gid", "asks for the user id"),
    ("get_current_comm", "asks for the command name"),
    ("get_current_task", "asks for the task's address"),
    ("get_current_cgroup_id", "asks for the control group"),
    ("get_smp_processor_id", "asks for the CPU"),
    ("get_prandom_u32", "asks for a random number"),
    ("ktime_get_ns", "asks for the time"),
    ("ktime_get_boot_ns", "asks for the time since boot"),
    ("ktime_get_coarse_ns", "asks for the time of the last tick"),
    ("probe_read_kernel", "copies 64 bytes of the kernel's memory"),
    ("probe_read_kernel_str", "copies a string of the kernel's memory"),
    ("probe_read_user", "copies 64 bytes of the process's memory"),
    ("probe_read_user_str", "copies a string of the process's memory"),
    ("stack_kernel", "stores the kernel's stack"),
    ("stack_user", "stores the process's stack"),
)
_FLOW = _group(
    "flow",
    ("filter_match", "simple, for the measuring process only", "filter", ""),
    ("filter_mismatch", "simple, for a process that does not exist", "filter", ""),
    ("tail_call", "jumps into a second program"),
    ("loop_64", "64 turns of a loop"),
    ("bpf_loop_64", "64 turns of the helper bpf_loop"),
)

PROGRAMS = {each.name: each for each in (*_REFERENCE, *_MAPS, *_BUFFERS, *_HELPERS, *_FLOW)}

# What is measured unless something else is asked for.
STANDARD_PROGRAMS = ("empty", "simple", "complex")

# Names for several programs at once.
PROGRAM_GROUPS = {
    "all": tuple(PROGRAMS),
    **{
        group: tuple(each.name for each in PROGRAMS.values() if each.group == group)
        for group in dict.fromkeys(each.group for each in PROGRAMS.values())
    },
}


def is_file(program: str) -> bool:
    """Whether a program is asked for by its file: no name in the catalogue ends like one."""
    return program.endswith(".c")


def programs_named(wanted: Iterable[str]) -> list[Program]:
    """Return the programs asked for: of the catalogue, in its order, then the user's own.

    Parameters
    ----------
    wanted : iterable of str
        Names of programs, of :data:`PROGRAM_GROUPS`, or files, ``FILE.c``.

    Raises
    ------
    BadUseError
        A name is not in the catalogue, or not a file.
    """
    wanted = list(wanted)
    names = [name for name in wanted if not is_file(name)]
    chosen = {each for name in names for each in PROGRAM_GROUPS.get(name, (name,))}
    if unknown := sorted(chosen - PROGRAMS.keys()):
        raise BadUseError(
            f"no program is called {unknown[0]!r}",
            f"choose of {', '.join(PROGRAMS)}; of the groups {', '.join(PROGRAM_GROUPS)};"
            " or a file FILE.c",
        )
    return [each for name, each in PROGRAMS.items() if name in chosen] + own_programs(wanted)


def own_programs(wanted: Iterable[str]) -> list[Program]:
    """Return the user's own of the programs asked for, in order and without repeats.

    Raises
    ------
    BadUseError
        A file is not there, or two have the same name.
    """
    programs: dict[str, Program] = {}
    for path in map(Path, filter(is_file, wanted)):
        if not path.is_file():
            raise BadUseError(f"no program file {path}", "name a C source that is there")
        earlier = programs.setdefault(path.name, Program(path.name, "", "your own program", path))
        if earlier.source != path:
            raise BadUseError(
                f"{earlier.source} and {path} would both be called {path.name}", "rename one"
            )
    return list(programs.values())
