"""Unpacking gzip, xz and zstd, within bounds."""

import gzip
import lzma
import shutil
import subprocess
import sys
import tracemalloc

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.kernels.unpacking import unpack

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = bytes(range(256)) * 4000
PACKERS = {"gzip": gzip.compress, "xz": lzma.compress, "zstd": zstd.compress}


@pytest.fixture(params=PACKERS)
def packer(request):
    return request.param, PACKERS[request.param]


@pytest.mark.parametrize("followed_by", [b"", b"ab", b"\0" * 5000])
def test_a_stream_is_unpacked_whatever_follows(packer, followed_by):
    assert unpack(packer[1](CONTENT) + followed_by, "it", len(CONTENT)) == CONTENT


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
def test_what_the_kernels_build_packs_is_unpacked():
    # scripts/Makefile.lib packs with a window of 128 MiB.
    command = ["zstd", "-qc", "--ultra", "-22"]
    packed = subprocess.run(command, input=CONTENT, capture_output=True, check=True).stdout
    assert unpack(packed, "it", len(CONTENT)) == CONTENT


def test_what_is_not_packed_stays():
    assert unpack(b"no stream", "it", 3) == b"no stream"


def test_half_a_stream_and_a_damaged_one_are_errors(packer):
    name, pack = packer
    packed = pack(CONTENT)
    with pytest.raises(FailedError, match=f"{name} cannot unpack the image: "):
        unpack(packed[:-20], "the image", len(CONTENT))
    with pytest.raises(FailedError, match=f"{name} cannot unpack the image: "):
        unpack(packed[:6] + b"\xff" * 40, "the image", len(CONTENT))


def test_a_bomb_is_refused_before_it_takes_memory(packer):
    bomb = packer[1](bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(FailedError, match="it is not unpacked: it has more than 1,048,576 bytes"):
        unpack(bomb, "it", 1 << 20)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 16 << 20
