"""The catalogue of programs: what a BPF program does when it runs.

Where a program is attached is none of its business: every one is measured at any attach
type that allows what it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ebpf_overhead.errors import BadUseError, UnknownNameError
from ebpf_overhead.programs.bcc_text import LONGEST_SOURCE_BYTES, sections_of
from ebpf_overhead.programs.bpftrace_file import SCRIPT, probes_in
from ebpf_overhead.programs.elf_object import ObjectFunction, functions, object_in
from ebpf_overhead.programs.object_settings import AS_BUILT, ObjectSettings
from ebpf_overhead.reading import read_bytes

SOURCE = ".c"  # what the name of a C source ends with


@dataclass(frozen=True)
class Program:
    """What a BPF program does when it runs.

    Attributes
    ----------
    name : str
        Name in results; that of its file for one of the user's own, with that of the function
        where the file has several programs.
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
    function, section : str
        In a file of several: its function, and where it is attached, as a section of an object
        file says it.
    settings : ObjectSettings
        What is to be made of the object file.
    """

    name: str
    go_name: str
    summary: str
    source: Path | None = None
    group: str = ""
    file: str = ""
    definitions: tuple[str, ...] = ()
    function: str = ""
    section: str = ""
    settings: ObjectSettings = AS_BUILT

    @property
    def is_object(self) -> bool:
        """Whether it comes from an object file or a script, and not from C source."""
        return self.source is not None and self.source.suffix != SOURCE

    @property
    def is_script(self) -> bool:
        """Whether it comes from a script of bpftrace's."""
        return self.source is not None and self.source.suffix == SCRIPT

    @property
    def in_object(self) -> str | None:
        """Name of the object file, if it has several programs."""
        several = max(len(self.settings.programs), len(self.settings.places)) > 1
        return self.name.removesuffix(f":{self.label}") if several else None

    @property
    def label(self) -> str:
        """What tells it from the others of its file: its function, and which of several places."""
        alone = len(self.settings.sections(self.function, self.section)) == 1
        return self.function if alone else f"{self.function}={self.section}"


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
    """Whether a program is asked for by its file: no name in the catalogue looks like one."""
    return program.endswith((SOURCE, SCRIPT, ".o")) or "/" in program


def programs_named(wanted: Iterable[str], settings: ObjectSettings = AS_BUILT) -> list[Program]:
    """Return the programs asked for: of the catalogue, in its order, then the user's own.

    Parameters
    ----------
    wanted : iterable of str
        Names of programs, of :data:`PROGRAM_GROUPS`, or files.
    settings : ObjectSettings
        What is to be made of object files.

    Raises
    ------
    BadUseError
        A name is not in the catalogue, or not a file.
    """
    wanted = list(wanted)
    names = [name for name in wanted if not is_file(name)]
    chosen = {each for name in names for each in PROGRAM_GROUPS.get(name, (name,))}
    if unknown := sorted(chosen - PROGRAMS.keys()):
        known = [*PROGRAMS, *PROGRAM_GROUPS]
        raise UnknownNameError(
            "program", unknown[0], known, "docs/programs.md lists them; a file is named FILE.c"
        )
    return [each for name, each in PROGRAMS.items() if name in chosen] + own_programs(
        wanted, settings
    )


def own_programs(wanted: Iterable[str], settings: ObjectSettings = AS_BUILT) -> list[Program]:
    """Return the user's own of the programs asked for, in order and without repeats.

    Raises
    ------
    BadUseError
        A file is not there or holds no program; or settings are given, and no file is.
    """
    files = list(dict.fromkeys(map(Path, filter(is_file, wanted))))
    if not files and settings != AS_BUILT:
        raise BadUseError(
            "--only, --map-size and --set are of a file of your own, and none was named",
            "name it, --program FILE, or leave them out",
        )
    for path in files:
        if not path.is_file():
            raise BadUseError(f"no program file {path}", "name a file that is there")
    names = _distinct_names(files)
    return [each for path in files for each in _in_file(path, names[path], settings)]


def _distinct_names(files: list[Path]) -> dict[Path, str]:
    """Return what each file is called: its name, and of its directories what tells it apart."""
    found = {}
    for path in files:
        ends = (Path(*path.parts[-length:]) for length in range(1, len(path.parts) + 1))
        others = [each.parts for each in files if each != path]
        found[path] = str(
            next(
                (end for end in ends if all(_end(each, end) != end.parts for each in others)), path
            )
        )
    return found


def _end(parts: tuple[str, ...], like: Path) -> tuple[str, ...]:
    return parts[-len(like.parts) :]


def _in_file(path: Path, name: str, settings: ObjectSettings) -> list[Program]:
    """Return the programs of a file: of a C source the one that it is."""
    if path.suffix == SOURCE:
        return _in_source(path, name, settings)
    found = _placed_functions(path, settings)
    wanted = settings.programs or tuple(each.name for each in found if each.is_loaded)
    if unknown := set(wanted) - {each.name for each in found}:
        known = dict.fromkeys(each.name for each in found)
        raise UnknownNameError(f"program of {name}", min(unknown), known)
    if not wanted:
        raise BadUseError(f"{path} holds no program that is loaded by itself", "name one: --only")
    settings = replace(settings, programs=wanted)
    return _named(
        name, [of_object(name, path, each, settings) for each in found if each.name in wanted]
    )


def _placed_functions(path: Path, settings: ObjectSettings) -> list[ObjectFunction]:
    """Return the functions of an object file or a script, once for each of their places."""
    if path.suffix == SCRIPT:
        return probes_in(path, settings)
    return [
        ObjectFunction(each.name, section)
        for each in functions(object_in(path))
        for section in settings.sections(each.name, each.section)
    ]


def _named(name: str, programs: list[Program]) -> list[Program]:
    """Return programs of a file by its name, and by their own where there are several."""
    if len(programs) == 1:
        return programs
    return [replace(each, name=f"{name}:{each.label}") for each in programs]


def _in_source(path: Path, name: str, settings: ObjectSettings) -> list[Program]:
    """Return the programs of a C source: the one that it is, or those that BCC would attach."""
    if settings.variables or settings.kernel_config:
        raise BadUseError(f"{path} is C source, in which nothing is set", "leave --set out")
    if any(value_bytes for _, _, value_bytes in settings.map_sizes):
        raise BadUseError(f"{path} is C source, which has the sizes of values", "change it there")
    text = read_bytes(path, limit_bytes=LONGEST_SOURCE_BYTES, error=BadUseError)
    sections = sections_of(text.decode("latin-1"))
    wanted = settings.programs or tuple(sections)
    if not wanted:
        return [Program(name, "", _OWN, path, settings=settings)]
    settings = replace(settings, programs=wanted)
    found = (
        ObjectFunction(each, section)
        for each in wanted
        for section in settings.sections(each, sections.get(each, ""))
    )
    return _named(name, [of_object(name, path, each, settings) for each in found])


def of_object(name: str, path: Path, function: ObjectFunction, settings: ObjectSettings) -> Program:
    """Return a program of an object file."""
    return Program(
        *(name, "", _OWN, path),
        function=function.name,
        section=function.section,
        settings=settings,
    )


_OWN = "your own program"
