"""The headers that C source is compiled with: the project's own, or those of a kernel.

BCC finds the headers of the kernel that runs by itself.  A guest's kernel is another one, and
a guest does not see what the host has in ``/lib/modules``: so they are found here, for any.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ebpf_overhead import architectures
from ebpf_overhead.architectures import Architecture
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.programs import bcc
from ebpf_overhead.reading import read_bytes, read_text
from ebpf_overhead.trust import refuse_foreign

# Where distributions put the headers of a release.
_PLACES = ("/lib/modules/{}/build", "/usr/src/linux-headers-{}", "/usr/src/kernels/{}")
# Debian's has what is made for a configuration; its Makefile names the directory of the rest.
_REST = re.compile(r"^include (/\S+)/Makefile$", re.MULTILINE)
# A type of bpf.h that nobody looks into.
_OPAQUE = re.compile(rb"^(struct \w+ \{)\s*__u\d+ __opaque\[\d+\];\s*\}[^;]*;\n", re.MULTILINE)


@dataclass(frozen=True)
class Headers:
    """A tree of headers.

    Attributes
    ----------
    directory : Path
        What BCC is given as the kernel's source.
    generated : Path or None
        The directory of what was made for a configuration, where that is another one.
    types : bytes
        Definitions that come before a source.
    architecture : Architecture
        What is compiled for.
    """

    directory: Path
    generated: Path | None = None
    types: bytes = b""
    architecture: Architecture = field(default_factory=architectures.here)

    def flags(self) -> list[str]:
        """Return the options for the compiler."""
        if self.generated is None:
            return []
        include = f"arch/{self.architecture.kernel}/include"
        below = (f"{include}/generated", f"{include}/generated/uapi", "include/generated/uapi")
        return [f"-I{self.generated / each}" for each in ("include", *below)]


def own_headers(architecture: Architecture | None = None) -> Headers:
    """Return the project's headers, unless the user named others: see :func:`bcc.header_tree`."""
    return Headers(bcc.header_tree(), architecture=architecture or architectures.here())


def installed_headers(
    release: str = "", architecture: Architecture | None = None
) -> Headers | None:
    """Return the headers of a kernel that are installed here; None where there are none.

    Parameters
    ----------
    release : str
        Which kernel's; by default that of the one that runs.
    architecture : Architecture, optional
        What is compiled for; this machine's by default.

    Raises
    ------
    BadUseError
        Another user could have written them.
    """
    if "BCC_KERNEL_SOURCE" in os.environ:
        return None
    for place in _PLACES:
        found = Path(place.format(release or os.uname().release))
        if (found / "include/generated/autoconf.h").is_file():
            generated = found.resolve()
            refuse_foreign(generated)
            found_here = _whole(generated)
            if found_here is None or architecture is None:
                return found_here
            return replace(found_here, architecture=architecture)
    return None


def _whole(generated: Path) -> Headers | None:
    if (generated / "include/linux/kconfig.h").is_file():
        return Headers(generated, types=types_missing(generated))
    rest = _REST.search(read_text(generated / "Makefile"))
    if rest is None or not (Path(rest[1]) / "include/linux/kconfig.h").is_file():
        return None
    refuse_foreign(Path(rest[1]))
    return Headers(Path(rest[1]), generated, types_missing(Path(rest[1])))


def types_missing(headers: Path) -> bytes:
    """Return definitions of types that headers of a kernel use and an older BCC does not have.

    BCC brings a bpf.h of its own, in place of the kernel's.  The kernel's other headers may want
    types that are only in the latter; they do not look into them.

    Parameters
    ----------
    headers : Path
        Of a kernel.
    """
    with suppress(OverheadError):
        known = bcc.library_path().read_bytes()
        text = read_bytes(headers / "include/uapi/linux/bpf.h")
        found = _OPAQUE.finditer(text)
        return b"".join(each[0] for each in found if b"\n" + each[1] not in known)
    return b""
