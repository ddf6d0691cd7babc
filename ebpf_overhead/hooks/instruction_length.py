"""How long x86_64 instructions are: what walking through a function needs, and no more.

The tables are those of the manual's opcode maps (Intel's Software Developer's Manual, volume 2,
appendix A).
"""

from __future__ import annotations

_PREFIXES = frozenset(b"\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0")


def _set(text: str) -> frozenset[int]:
    """Return the numbers of a list like ``00-03 63``, in hexadecimal."""
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)


# Of the opcodes of one byte: with a byte ModRM; with an immediate of one byte; of four bytes, or
# two with the prefix 66.
_MODRM = _set(
    "00-03 08-0b 10-13 18-1b 20-23 28-2b 30-33 38-3b 63 69 6b 80 81 83-8f c0 c1 c6 c7 d0-d3 d8-df"
    " f6 f7 fe ff"
)
_BYTE = _set("04 0c 14 1c 24 2c 34 3c 6a 6b 70-7f 80 83 a8 b0-b7 c0 c1 c6 cd e0-e7 eb")
_WORD = _set("05 0d 15 1d 25 2d 35 3d 68 69 81 a9 b8-bf c7")
_BRANCHES = _set("e8 e9")
# Behind 0f: without ModRM; with an immediate of one byte.
_NO_MODRM_0F = _set("05-09 0b 0e 30-37 77 80-8f a0-a2 a8-aa c8-cf")
_BYTE_0F = _set("70-73 a4 ac ba c2 c4-c6")
_BRANCHES_0F = _set("80-8f")


def length_of(code: bytes) -> int:
    """Return the length of the instruction at the beginning of some code.

    Parameters
    ----------
    code : bytes
        Fifteen bytes are sufficient.

    Raises
    ------
    IndexError
        The code ends in the middle of it.
    """
    at, wide = 0, False
    operand_bytes, address_bytes = 4, 8
    while code[at] in _PREFIXES:
        operand_bytes = 2 if code[at] == 0x66 else operand_bytes
        address_bytes = 4 if code[at] == 0x67 else address_bytes
        at += 1
    if 0x40 <= code[at] <= 0x4F:
        wide, at = bool(code[at] & 8), at + 1
    opcode = code[at]
    if opcode in (0xC4, 0xC5, 0x62):
        return _vector(code, at)
    if opcode == 0x0F:
        return _of_two_bytes(code, at + 1)
    at += 1
    if opcode in _MODRM:
        at = _behind_modrm(code, at)
    return at + _immediate(code, opcode, at, operand_bytes, address_bytes, wide)


def _immediate(
    code: bytes, opcode: int, at: int, operand_bytes: int, address_bytes: int, wide: bool
) -> int:
    if 0xB8 <= opcode <= 0xBF and wide:
        return 8
    if 0xA0 <= opcode <= 0xA3:
        return address_bytes
    if opcode in (0xF6, 0xF7):
        tests = _extension(code, opcode) in (0, 1)
        return (1 if opcode == 0xF6 else operand_bytes) if tests else 0
    if opcode in _BRANCHES:
        return 4
    fixed = {0xC2: 2, 0xCA: 2, 0xC8: 3}
    return fixed.get(opcode, (opcode in _BYTE) + (operand_bytes if opcode in _WORD else 0))


def _extension(code: bytes, opcode: int) -> int:
    """Return the part of ModRM that belongs to the opcode, which is the first of its kind."""
    return code[code.index(opcode) + 1] >> 3 & 7


def _of_two_bytes(code: bytes, at: int) -> int:
    opcode, at = code[at], at + 1
    if opcode in (0x38, 0x3A):
        return _behind_modrm(code, at + 1) + (opcode == 0x3A)
    if opcode in _BRANCHES_0F:
        return at + 4
    if opcode not in _NO_MODRM_0F:
        at = _behind_modrm(code, at)
    return at + (opcode in _BYTE_0F)


def _vector(code: bytes, at: int) -> int:
    """Return the length of an instruction with a VEX or EVEX prefix."""
    kind = code[at]
    opcode_map = 1 if kind == 0xC5 else code[at + 1] & 7
    at += {0xC5: 2, 0xC4: 3, 0x62: 4}[kind]
    opcode, at = code[at], at + 1
    if opcode_map == 1 and opcode == 0x77:
        return at
    has_byte = opcode_map == 3 or (opcode_map == 1 and opcode in _BYTE_0F)
    return _behind_modrm(code, at) + has_byte


def _behind_modrm(code: bytes, at: int) -> int:
    modrm, at = code[at], at + 1
    mode, register = modrm >> 6, modrm & 7
    if mode == 3:
        return at
    if register == 4:
        base, at = code[at] & 7, at + 1
        if mode == 0 and base == 5:
            return at + 4
    elif mode == 0 and register == 5:
        return at + 4
    return at + (0, 1, 4)[mode]
