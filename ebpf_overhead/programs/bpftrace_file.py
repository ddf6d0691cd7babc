"""Files that are scripts of bpftrace's."""

from __future__ import annotations

from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs.bpftrace_text import probes_of
from ebpf_overhead.programs.elf_object import ObjectFunction
from ebpf_overhead.programs.object_settings import ObjectSettings, is_parameter
from ebpf_overhead.reading import read_bytes
from ebpf_overhead.trust import refuse_foreign

SCRIPT = ".bt"  # what the name of a script ends with
_LONGEST_BYTES = 1 << 20


def probes_in(path: Path, settings: ObjectSettings) -> list[ObjectFunction]:
    """Return the probes of a script, as an object file has its programs.

    Raises
    ------
    BadUseError
        The file cannot be read, another user could have written it, or it has no probe; or
        settings are asked for that scripts do not have.
    """
    if settings.map_sizes:
        raise BadUseError(
            f"{path} is a script, whose maps all have one size",
            "set it for bpftrace: BPFTRACE_MAP_KEYS_MAX=100000",
        )
    others = [name for name, _ in settings.variables if not is_parameter(name)]
    if others or settings.kernel_config:
        raise BadUseError(
            f"{path} is a script, in which only its parameters $1, $2, … are set",
            "write --set 1=VALUE",
        )
    if settings.places:
        raise BadUseError(f"{path} is a script, which says where it is attached", "leave =… out")
    found = [ObjectFunction(each.name, each.section) for each in probes_of(script_text(path))]
    if not found:
        raise BadUseError(f"{path} has no probe", "name a script for bpftrace")
    return found


def script_text(path: Path) -> str:
    """Return the text of a script; what is no UTF-8 stays what it is.

    Raises
    ------
    BadUseError
        The file cannot be read, or another user could have written it.
    """
    refuse_foreign(path)
    content = read_bytes(path, limit_bytes=_LONGEST_BYTES, error=BadUseError)
    return content.decode(errors="surrogateescape")
