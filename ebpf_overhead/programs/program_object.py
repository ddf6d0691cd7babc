"""A compiled program as plain data: what a back end makes, and what is stored and loaded.

Nothing in it depends on a process or on a machine: instructions refer to maps and to numbers
that are known only at load by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from ctypes import Array
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ebpf_overhead.bpf.loading import NO_DETAILS, Details
from ebpf_overhead.bpf.structures import LOAD_64, BpfInsn, instructions
from ebpf_overhead.errors import FailedError

# Raised whenever what is stored changes its meaning.
FORMAT = 2


class Constant(NamedTuple):
    """A number that a program is given when it is loaded.

    Attributes
    ----------
    name : str
        Macro in the source that stands for it.
    bits : int
        32 for a number from 0 to 2**31 - 1, which the compiler puts into any instruction; 64
        for one that needs an instruction of its own.
    """

    name: str
    bits: int = 32


class Reference(NamedTuple):
    """A place in a function that is filled in at load.

    Attributes
    ----------
    instruction : int
        Its number; an instruction of 16 bytes counts twice.
    name : str
        Of the map, or of the constant.
    shift : int
        By how many bits the number is to be shifted to the left: compilers shift constants
        instead of what is compared with them.
    """

    instruction: int
    name: str
    shift: int = 0


@dataclass(frozen=True)
class Function:
    """A function of a program.

    Attributes
    ----------
    code : bytes
        Its instructions; zero where something is filled in.
    maps, constants : tuple of Reference
        What is filled in: descriptors of maps, and numbers.
    details : Details
        What else the kernel is told of it; not stored, because nothing that is stored has any.
    """

    code: bytes
    maps: tuple[Reference, ...] = ()
    constants: tuple[Reference, ...] = ()
    details: Details = NO_DETAILS

    @property
    def tag(self) -> str:
        """What tells whether another compiler made other instructions: 16 hexadecimal digits.

        The same on every machine and kernel, because what is filled in at load counts as zero.
        Kernels before 6.18 call the same number the program's tag (``bpf_prog_calc_tag``), if
        nothing but maps is filled in; later ones hash by another method.
        """
        return hashlib.sha1(self.code).hexdigest()[:16]

    def linked(self, map_fds: Mapping[str, int], constants: Mapping[str, int]) -> bytes:
        """Return the instructions with everything filled in.

        Raises
        ------
        FailedError
            A number is too large for its place.
        """
        code = instructions(self.code)
        for index, name, _ in self.maps:
            code[index].imm = map_fds[name]
        for index, name, shift in self.constants:
            _fill_in(code, index, name, constants[name] << shift)
        return bytes(code)


def _fill_in(code: Array[BpfInsn], index: int, name: str, value: int) -> None:
    wide = code[index].code == LOAD_64
    bits = 64 if wide else 31
    if not 0 <= value < 1 << bits:
        raise FailedError(f"{name}={value} does not fit into {bits} bits")
    code[index].imm = value  # as much of it as there is room for
    if wide:
        code[index + 1].imm = value >> 32


@dataclass(frozen=True)
class MapDefinition:
    """What the kernel is told to make a map.

    Attributes
    ----------
    name : str
        Name in the source; the kernel keeps 15 characters of it.
    kind : int
        Of ``enum bpf_map_type``.
    key_bytes, value_bytes, max_entries, flags : int
        Sizes and flags; ``max_entries`` 0 is one entry per CPU where the kind needs entries.
    btf_key, btf_value : int
        Types of key and value in the object's BTF, or 0.
    inner : str
        Name of the map that describes those in it; empty where it holds none.
    """

    name: str
    kind: int
    key_bytes: int
    value_bytes: int
    max_entries: int
    flags: int = 0
    btf_key: int = 0
    btf_value: int = 0
    inner: str = ""


@dataclass(frozen=True)
class ProgramObject:
    """A compiled program.

    Attributes
    ----------
    functions : dict
        Its functions by name.
    maps : tuple of MapDefinition
        In the order in which they are made.
    btf : bytes
        Type information of the maps.
    licence : str
        What the kernel is told.
    made_from : dict
        Files that the compiler read and was made of, with what tells whether they changed.
    """

    functions: dict[str, Function]
    maps: tuple[MapDefinition, ...] = ()
    btf: bytes = field(default=b"", repr=False)
    licence: str = "GPL"
    made_from: dict[str, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> str:
        """Return it as text."""
        values = asdict(self) | {"format": FORMAT, "btf": self.btf.hex()}
        for function in values["functions"].values():
            function["code"] = function["code"].hex()
            del function["details"]
        return json.dumps(values)

    @classmethod
    def of_json(cls, text: str) -> ProgramObject:
        """Return the object that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            It is none, or one of another version of this package.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("format") != FORMAT:
                raise ValueError("another format")
            return cls(
                functions={
                    name: Function(
                        bytes.fromhex(each["code"]),
                        tuple(Reference(*reference) for reference in each["maps"]),
                        tuple(Reference(*reference) for reference in each["constants"]),
                    )
                    for name, each in values.pop("functions").items()
                },
                maps=tuple(MapDefinition(**each) for each in values.pop("maps")),
                btf=bytes.fromhex(values.pop("btf")),
                **values,
            )
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            raise ValueError(f"no program object: {error}") from error
