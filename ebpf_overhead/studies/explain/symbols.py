"""The kernel's symbols: which function an address lies in."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from pathlib import Path

from ebpf_overhead.errors import FailedError

_LARGEST_BYTES = 64 << 20
# Of functions, as nm(1) has them; with the module behind the name.
_LINE = re.compile(rb"^([0-9a-f]{16}) [tTwW] (\S+)", re.MULTILINE)
_OF_SECTION = re.compile(rb"_(start|begin|end)$")


class Symbols:
    """The functions of a kernel, with its modules and compiled BPF programs.

    Parameters
    ----------
    kallsyms : bytes
        What /proc/kallsyms says.

    Raises
    ------
    FailedError
        No addresses are in it.
    """

    def __init__(self, kallsyms: bytes) -> None:
        found = sorted((int(address, 16), name) for address, name in _LINE.findall(kallsyms))
        if not found or not found[-1][0]:
            raise FailedError("the guest's /proc/kallsyms has no addresses")
        self._addresses = [address for address, _ in found]
        self._names = [name for _, name in found]

    def find(self, address: int) -> tuple[str, int]:
        """Return the function that an address lies in, and how far behind its beginning."""
        number = bisect_right(self._addresses, address) - 1
        if number < 0:
            return "[unknown]", 0
        start = self._addresses[number]
        names = self._names[bisect_left(self._addresses, start) : number + 1]
        # Some of several names are those of the section that ends or begins there.
        name = next((each for each in names if not _OF_SECTION.search(each)), names[0])
        return name.decode("ascii", "replace"), address - start


def read_symbols(path: Path) -> Symbols:
    """Return the symbols of a file that a guest wrote; a link of the guest's is not followed.

    Raises
    ------
    FailedError
        The file cannot be read, is too large, or has no addresses.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise FailedError(f"the guest's symbols cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_BYTES:
        raise FailedError(f"the guest's symbols have more than {_LARGEST_BYTES:,} bytes")
    return Symbols(content)
