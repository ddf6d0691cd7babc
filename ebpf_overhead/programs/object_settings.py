"""What is to be made of an object file, where that is not what the file says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.errors import BadUseError

# Variables of the kernel's configuration, which libbpf looks up by itself.
_OF_KERNEL = "CONFIG_"
_MOST = (1 << 32) - 1


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
    """

    programs: tuple[str, ...] = ()
    map_sizes: tuple[tuple[str, int, int], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    kernel_config: str = ""

    @property
    def entries(self) -> dict[str, int]:
        """Entries of maps, where they differ."""
        return {name: entries for name, entries, _ in self.map_sizes}


AS_BUILT = ObjectSettings()


def object_settings(
    programs: Iterable[str], sizes: Iterable[str], values: Iterable[str]
) -> ObjectSettings:
    """Return settings as they are given on the command line.

    Parameters
    ----------
    programs : iterable of str
        Names of the programs to load; none means all that libbpf would load.
    sizes, values : iterable of str
        ``MAP=ENTRIES`` or ``MAP=ENTRIES:VALUE_BYTES``, and ``VARIABLE=VALUE``.

    Raises
    ------
    BadUseError
        One of them is no such pair.
    """
    entries = [_pair(each, _SIZE) for each in sizes]
    variables = [_pair(each, "VARIABLE=VALUE") for each in values]
    return ObjectSettings(
        tuple(programs),
        tuple((name, *_size(name, size)) for name, size in entries),
        tuple(each for each in variables if not each[0].startswith(_OF_KERNEL)),
        "".join(f"{name}={value}\n" for name, value in variables if name.startswith(_OF_KERNEL)),
    )


_SIZE = "MAP=ENTRIES or MAP=ENTRIES:VALUE_BYTES"


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
