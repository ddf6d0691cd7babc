"""Unpacking zstd."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ebpf_overhead import zstd
from ebpf_overhead.errors import FailedError, MissingToolError

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def packed():
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    return subprocess.run(["zstd", "-qc"], input=CONTENT, capture_output=True, check=True).stdout


@pytest.mark.parametrize("followed_by", [b"", b"ab", b"what follows"])
def test_a_frame_is_unpacked_whatever_follows(packed, followed_by):
    assert zstd.unpack(packed + followed_by, "it") == CONTENT


@pytest.mark.parametrize("damage", [lambda frame: frame[:-20], lambda frame: b"no frame"])
def test_half_a_frame_and_none_are_errors(packed, damage):
    with pytest.raises(FailedError, match="zstd cannot unpack the image: "):
        zstd.unpack(damage(packed), "the image")


def test_missing_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"unpacks the image; apt-get install zstd"):
        zstd.unpack(b"", "the image")
