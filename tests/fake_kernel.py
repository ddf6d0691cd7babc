"""A bpf(2) that keeps what was asked and answers as told."""

from __future__ import annotations

import ctypes


class FakeKernel:
    """Takes the place of the compiled module: keeps what was asked, answers as told."""

    def __init__(self, *answers: int | OSError) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[int, bytes]] = []
        self.perf_calls: list[tuple[object, ...]] = []
        self.fill = lambda attribute: None  # sees the attribute while pointers are valid

    def address(self, buffer: bytes) -> int:
        holder = ctypes.c_char * len(buffer)
        if isinstance(buffer, bytearray):
            return ctypes.addressof(holder.from_buffer(buffer))
        return ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value or 0

    def answer(self) -> int:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def bpf(self, command: int, attribute: bytearray) -> int:
        self.calls.append((command, bytes(attribute)))
        self.fill(attribute)
        return self.answer()

    def perf_event_open(self, *arguments: object) -> int:
        self.perf_calls.append(arguments)
        self.fill(arguments[0])
        return self.answer()
