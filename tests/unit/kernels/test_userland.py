"""Programs of guests of another architecture: fetched from a signed mirror, and never run."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from kernels_fakes import Silent, make_deb, raw_deb, tar
from kernels_fakes import control as control_file
from kernels_mirror_fakes import Mirror, SigningKey

from ebpf_overhead.architectures import AARCH64
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.kernels import apt as apt_module
from ebpf_overhead.kernels import userland
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.mirror import AptSource, DebianArchive
from ebpf_overhead.kernels.mirror import Mirror as MirrorAddress
from ebpf_overhead.kernels.unpacked import UnpackedSystem, place

_TOOLS = ("apt-get", "dpkg-deb", "gpg", "gpgconf")
_MISSING = [tool for tool in _TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")

PYTHON = "3.11" if userland.suite() == "bookworm" else "3.13"
# Would say so if it were run, by this machine or by apt.
SCRIPT = b"#!/bin/sh\ntouch /tmp/ebpf-overhead-a-script-was-run\n"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    monkeypatch.setattr(apt_module, "_system_network_options", list)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "key").mkdir()
    (tmp_path / "mirror").mkdir()
    key = SigningKey(tmp_path / "key")
    mirror = Mirror(tmp_path / "mirror", key)
    yield mirror
    mirror.close()
    key.close()


def packages():
    """The packages that are wanted; one more that is needed, and one that is not."""
    wanted = {name: {f"usr/share/doc/{name}": b"x"} for name in userland.PACKAGES}
    wanted["python3"] = {
        f"usr/bin/python{PYTHON}": b"\x7fELF",
        f"usr/lib/python{PYTHON}/abc.py": b"x = 1\n",
        "DEBIAN/postinst": SCRIPT,
    }
    wanted["busybox-static"] = {"bin/busybox": b"\x7fELF"}
    wanted["python3-numpy"] = {"usr/lib/aarch64-linux-gnu/blas/libblas.so.3": b"\x7fELF"}
    fields = {name: {} for name in wanted}
    fields["python3"] = {"Depends": "libc6"}
    return [
        ("libc6", "2.36", {"lib/ld-linux-aarch64.so.1": b"\x7fELF"}, {}),
        ("unwanted", "1", {"usr/bin/unwanted": b"x"}, {}),
        *((name, "1", files, fields[name]) for name, files in wanted.items()),
    ]


def archive(layout, mirror, suites=("bookworm",)):
    source = AptSource(mirror.uri, (), ("main",), str(mirror.key.keyring))
    return PrivateApt(layout.apt, DebianArchive(MirrorAddress(source, None), suites, "arm64"))


@pytest.fixture
def added(tmp_path, mirror):
    mirror.put(userland.suite(), packages(), arch="arm64")
    layout = Layout(tmp_path / "data", tmp_path / "history")
    found = userland.add(
        layout, AARCH64, lambda suites: archive(layout, mirror, suites[:1]), Silent()
    )
    return layout, mirror, found


def test_what_is_needed_is_unpacked_and_nothing_of_it_is_run(added):
    _, mirror, found = added
    assert (found.root / "lib/ld-linux-aarch64.so.1").read_bytes() == b"\x7fELF"
    assert found.busybox.is_file()
    assert found.python == Path(f"/usr/bin/python{PYTHON}")
    assert not (found.root / "usr/bin/unwanted").exists()
    assert not (found.root / "usr/share").exists()
    assert not Path("/tmp/ebpf-overhead-a-script-was-run").exists()
    # What a script of the package would have made.
    assert (found.root / "usr/lib/aarch64-linux-gnu/libblas.so.3").resolve().is_file()
    assert len(mirror.fetched(".deb")) == len(userland.PACKAGES) + 1


def test_they_are_fetched_once(added):
    layout, mirror, found = added
    mirror.requests.clear()
    assert userland.add(layout, AARCH64, lambda suites: pytest.fail("fetches"), Silent()) == found
    assert mirror.requests == []


def test_a_package_that_is_not_as_signed_is_refused_and_nothing_is_left(tmp_path, mirror):
    mirror.put(userland.suite(), packages(), arch="arm64")
    (damaged,) = mirror.folder.rglob("libc6_*.deb")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    layout = Layout(tmp_path / "data", tmp_path / "history")
    with pytest.raises(FailedError, match="libc6"):
        userland.add(layout, AARCH64, lambda s: archive(layout, mirror, s[:1]), Silent())
    assert list(layout.userlands.iterdir()) == []


def test_a_mirror_that_lacks_a_package(tmp_path, mirror):
    mirror.put(userland.suite(), packages()[:-1], arch="arm64")
    layout = Layout(tmp_path / "data", tmp_path / "history")
    with pytest.raises(FailedError, match=userland.PACKAGES[-1]):
        userland.add(layout, AARCH64, lambda s: archive(layout, mirror, s[:1]), Silent())


def test_programs_that_are_not_here(tmp_path):
    with pytest.raises(MissingToolError, match=r"kernels add 6\.12-arm64 fetches them"):
        userland.find(tmp_path, AARCH64)


def test_they_go_with_the_last_kernel_of_their_architecture(added):
    layout, _, found = added
    userland.remove_unused(layout.userlands, {"x86_64", "aarch64"})
    assert found.directory.is_dir()
    userland.remove_unused(layout.userlands, {"x86_64"})
    assert not found.directory.exists()


@pytest.mark.parametrize(
    ("version", "suite"), [((3, 11), "bookworm"), ((3, 13), "trixie"), ((3, 12), "trixie")]
)
def test_debians_release_that_has_this_python(version, suite):
    assert userland.suite(version) == suite


# Unpacking.


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("./lib/aarch64-linux-gnu/libc.so.6", "usr/lib/aarch64-linux-gnu/libc.so.6"),
        ("./usr/bin/python3.11", "usr/bin/python3.11"),
        ("./usr/include/python3.11/Python.h", "usr/include/python3.11/Python.h"),
        ("./etc/python3.11/sitecustomize.py", "etc/python3.11/sitecustomize.py"),
        ("./usr/share/doc/python3/copyright", None),
        ("./usr/lib/aarch64-linux-gnu/libc.a", None),
        ("./etc/passwd", None),
        ("./", None),
    ],
)
def test_where_files_of_packages_go(name, where):
    assert place(name) == where


def member(name, kind, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def package_of(path, *members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as made:
        for each in members:
            each.size = 3 if each.isreg() else 0
            made.addfile(each, io.BytesIO(b"new"))
    return raw_deb(path, tar({"control": control_file("x")}), content.getvalue())


@pytest.mark.parametrize(
    "members",
    [
        [
            member("./usr/lib/out", tarfile.SYMTYPE, "{outside}"),
            member("./usr/lib/out/f", tarfile.REGTYPE),
        ],
        [member("./usr/lib/../../../f", tarfile.REGTYPE)],
        [member("./usr/lib/device", tarfile.CHRTYPE)],
        [member("./usr/lib/pipe", tarfile.FIFOTYPE)],
        [
            member("./usr/lib/l", tarfile.SYMTYPE, "{outside}/f"),
            member("./usr/lib/h", tarfile.LNKTYPE, "./usr/lib/l"),
        ],
    ],
    ids=["through a link", "upwards", "device", "pipe", "link to a link"],
)
def test_nothing_is_written_outside(tmp_path, members):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("old")
    for each in members:
        each.linkname = each.linkname.format(outside=outside)
    deb = package_of(tmp_path / "x.deb", *members)
    with pytest.raises(FailedError, match="refused"):
        UnpackedSystem(tmp_path / "root").add(deb)
    assert (outside / "f").read_text() == "old"
    assert (outside / "f").stat().st_nlink == 1
    assert [path.name for path in outside.iterdir()] == ["f"]


def test_a_later_package_replaces_what_an_earlier_one_had(tmp_path):
    system = UnpackedSystem(tmp_path / "root")
    for version, content in (("1", b"old"), ("2", b"new")):
        system.add(make_deb(tmp_path, "x", version, {"usr/bin/x": content}))
    assert (tmp_path / "root/bin/x").read_bytes() == b"new"
