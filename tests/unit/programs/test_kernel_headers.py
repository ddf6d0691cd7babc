"""Which headers C source is compiled with."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs import bcc, kernel_headers
from ebpf_overhead.programs.bcc import HEADERS
from ebpf_overhead.programs.kernel_headers import Headers, installed_headers, types_missing

BPF_H = """\
struct bpf_timer {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_new {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_map_info {
	__u32 type;
};
"""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """The directory of a kernel's headers, where a distribution would have them."""
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    places = tuple(f"{tmp_path}/{name}-{{}}" for name in ("modules", "headers"))
    monkeypatch.setattr(kernel_headers, "_PLACES", places)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    directory = tmp_path / "headers-6.99"
    (directory / "include/generated").mkdir(parents=True)
    return directory


def _put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_headers_of_a_release(installed, monkeypatch):
    assert installed_headers("6.99") is None, "modules alone may leave such a directory"
    _put(installed / "include/generated/autoconf.h")
    _put(installed / "Makefile")
    assert installed_headers("6.99") is None, "the rest is nowhere"
    _put(installed / "include/linux/kconfig.h")
    assert installed_headers("6.99") == Headers(installed)
    assert installed_headers("6.98") is None
    assert installed_headers() is None
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("", "", "6.99", "", "")))
    assert installed_headers() == Headers(installed)
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(HEADERS))
    assert installed_headers("6.99") is None, "the user named others"


def test_headers_of_which_debian_keeps_a_part_elsewhere(installed, tmp_path):
    _put(installed / "include/generated/autoconf.h")
    _put(installed / "Makefile", f"include {tmp_path}/common/Makefile\n")
    assert installed_headers("6.99") is None
    _put(tmp_path / "common/include/linux/kconfig.h")
    found = installed_headers("6.99")
    assert found == Headers(tmp_path / "common", installed)
    assert found.flags() == [
        f"-I{installed}/include",
        f"-I{installed}/arch/x86/include/generated",
        f"-I{installed}/arch/x86/include/generated/uapi",
        f"-I{installed}/include/generated/uapi",
    ]
    assert Headers(HEADERS).flags() == []


def test_types_that_an_older_bcc_does_not_have(installed, monkeypatch, tmp_path):
    library = tmp_path / "libbcc.so.0"
    library.write_bytes(b"\0...\nstruct bpf_timer {\n...")
    monkeypatch.setattr(bcc, "library_path", lambda: library)
    assert types_missing(installed) == b""
    _put(installed / "include/uapi/linux/bpf.h", BPF_H)
    new = b"struct bpf_new {\n\t__u64 __opaque[2];\n} __attribute__((aligned(8)));\n"
    assert types_missing(installed) == new


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_headers_that_another_user_could_have_written_are_refused(installed):
    _put(installed / "include/generated/autoconf.h")
    os.chown(installed, 65534, 65534)
    with pytest.raises(BadUseError, match=r"headers-6\.99 belongs to user 65534"):
        installed_headers("6.99")
