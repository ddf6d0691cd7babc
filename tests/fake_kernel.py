"""A bpf(2) that keeps what was asked and answers as told."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pytest

from ebpf_overhead.bpf import _syscalls


class FakeKernel:
    """Takes the place of the system calls: keeps what was asked, answers as told.

    Attributes
    ----------
    calls : list
        Commands of bpf(2) with a copy of their attributes.
    perf_calls : list
        Arguments of perf_event_open(2).
    fill : callable
        Sees an attribute while its pointers are valid, and may answer in it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: int | OSError) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[int, ctypes.Structure]] = []
        self.perf_calls: list[tuple[object, ...]] = []
        self.fill: Callable[[ctypes.Structure], object] = lambda attribute: None
        monkeypatch.setattr(_syscalls, "bpf", self._bpf)
        monkeypatch.setattr(_syscalls, "perf_event_open", self._perf_event_open)

    def texts(self, pointer: str) -> list[bytes]:
        """Return the list of texts that a pointer of the attributes to come will show."""
        seen: list[bytes] = []
        self.fill = lambda attribute: seen.append(ctypes.string_at(getattr(attribute, pointer)))
        return seen

    def _answer(self) -> int:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _bpf(self, command: int, attribute: ctypes.Structure) -> int:
        self.calls.append((command, type(attribute).from_buffer_copy(attribute)))
        self.fill(attribute)
        return self._answer()

    def _perf_event_open(self, *arguments: object) -> int:
        self.perf_calls.append(arguments)
        self.fill(arguments[0])
        return self._answer()


def given(structure: ctypes.Structure) -> dict[str, object]:
    """Return the fields of a structure that are not zero."""
    fields = {name: getattr(structure, name) for name, *_ in structure._fields_}
    return {name: value for name, value in fields.items() if value}


def answer(address: int, length_bytes: int, told: ctypes.Structure) -> int:
    """Answer ``BPF_OBJ_GET_INFO_BY_FD`` in a buffer, and return how much was told."""
    length_bytes = min(length_bytes, ctypes.sizeof(told))
    ctypes.memmove(address, ctypes.byref(told), length_bytes)
    return length_bytes
