"""Finding libbpf."""

from __future__ import annotations

import ctypes

import pytest

from ebpf_overhead.bpf import libbpf
from ebpf_overhead.errors import MissingToolError


def test_missing_libbpf_says_how_to_install_it(monkeypatch):
    def refuse(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(MissingToolError, match="apt-get install libbpf1"):
        libbpf.library.__wrapped__()
