"""What is to be made of an object file, where that is not what the file says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.errors import BadUseError

# Variables of the kernel's configuration, which libbpf looks up by itself.
_OF_KERNEL = "CONFIG_"
_MOST = (1 << 32) - 1
_MOST_PARAMETERS = 99


@dataclass(frozen=True)
class ObjectSettings:
    """What is to be made of an object.

    Attributes
    ----------
    programs : tuple of str
        Those that are to be loaded.
    map_sizes : tuple of (str, int, int)
        Entries of maps and bytes of a value, where they differ from the object; 0 for those that
        stay.
    variables : tuple of (str, str)
        Values of global variables that differ from it.
    kernel_config : str
        Lines like those of a kernel's configuration, which count before the kernel's own.
    places : tuple of (str, str)
        Programs, and where they are attached, as sections say it: in place of what the file says.
        A program may have several.
    """

    programs: tuple[str, ...] = ()
    map_sizes: tuple[tuple[str, int, int], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    kernel_config: str = ""
    places: tuple[tuple[str, str], ...] = ()

    @property
    def entries(self) -> dict[str, int]:
        """Entries of maps, where they differ."""
        return {name: entries for name, entries, _ in self.map_sizes}

    def unknown_of(self, asked: Iterable[str]) -> list[str]:
        """Return the variables of the kernel's configuration that no line here is for."""
        known = {line.partition("=")[0] for line in self.kernel_config.splitlines()}
        return sorted(set(asked) - known)

    @property
    def parameters(self) -> list[str]:
        """Return the positional parameters of a script, ``--set 1=VALUE``; 0 for those left out."""
        given = {int(name): value for name, value in self.variables if is_parameter(name)}
        return [given.get(number, "0") for number in range(1, max(given, default=0) + 1)]

    def sections(self, function: str, section: str) -> tuple[str, ...]:
        """Return where a function is attached, whose file says ``section``."""
        return tuple(place for name, place in self.places if name == function) or (section,)


def is_parameter(name: str) -> bool:
    """Whether what is set is a positional parameter of a script: 1, 2 and so on."""
    return name.isascii() and name.isdecimal() and 0 < int(name[:4]) <= _MOST_PARAMETERS


AS_BUILT = ObjectSettings()


def object_settings(
    programs: Iterable[str], sizes: Iterable[str], values: Iterable[str]
) -> ObjectSettings:
    """Return settings as they are given on the command line.

    Parameters
    ----------
    programs : iterable of str
        Names of the programs to load; none means all that libbpf would load.  ``NAME=SECTION``
        says where one is attached, ``trace_entry=kprobe/vfs_read``.
    sizes, values : iterable of str
        ``MAP=ENTRIES`` or ``MAP=ENTRIES:VALUE_BYTES``, and ``VARIABLE=VALUE``.

    Raises
    ------
    BadUseError
        One of them is no such pair.
    """
    wanted = [_program(each) for each in programs]
    entries = [_pair(each, _SIZE) for each in sizes]
    variables = [_pair(each, "VARIABLE=VALUE") for each in values]
    return ObjectSettings(
        tuple(dict.fromkeys(name for name, _ in wanted)),
        tuple((name, *_size(name, size)) for name, size in entries),
        tuple(each for each in variables if not each[0].startswith(_OF_KERNEL)),
        "".join(f"{name}={value}\n" for name, value in variables if name.startswith(_OF_KERNEL)),
        tuple(dict.fromkeys(each for each in wanted if each[1])),
    )


_SIZE = "MAP=ENTRIES or MAP=ENTRIES:VALUE_BYTES"


def _program(text: str) -> tuple[str, str]:
    name, equals, section = text.partition("=")
    if equals and not (name and section):
        raise BadUseError(
            f"{text!r} is no NAME=SECTION", "write --only trace_entry=kprobe/vfs_read"
        )
    return name, section


def _pair(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadUseError(f"{text!r} is no {form}", f"write {form}")
    return name, value


def _size(name: str, text: str) -> tuple[int, int]:
    entries, colon, value_bytes = text.partition(":")
    return _number(name, entries), _number(name, value_bytes) if colon else 0


def _number(name: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 0 < number <= _MOST:
        raise BadUseError(f"{text!r} is no size of {name}", f"write {_SIZE}")
    return number
