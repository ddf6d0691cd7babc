import io
import shutil
import tarfile

import pytest
from kernels_fakes import kernel_files, make_deb

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels.debfile import inspect, release_in_name, unpack
from ebpf_overhead.kernels.reporting import Silent

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")
RELEASE = "6.12.117+deb13-amd64"


def everything_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


KEPT = [
    "config",
    f"lib/modules/{RELEASE}/kernel/fs/9p/9p.ko",
    f"lib/modules/{RELEASE}/modules.builtin",
    f"lib/modules/{RELEASE}/modules.order",
    "vmlinuz",
]


def test_inspect(tmp_path):
    name = f"linux-image-{RELEASE}"
    path = make_deb(tmp_path, name, "6.12.117-1", {}, Source="linux-signed-amd64 (6.12.117+1)")
    deb = inspect(path)
    assert deb.release == RELEASE
    assert deb.record.version == "6.12.117-1"
    assert deb.record.source == "linux-signed-amd64 (6.12.117+1)"
    assert len(deb.record.sha256) == 64


@pytest.mark.parametrize(
    ("package", "release"),
    [
        ("linux-image-6.1.0-56-amd64", "6.1.0-56-amd64"),
        ("linux-image-6.1.0-56-amd64-unsigned", "6.1.0-56-amd64"),
        ("linux-binary-unsigned-7.3.4+deb13-amd64", "7.3.4+deb13-amd64"),
        ("linux-modules-7.3.4+deb13-amd64", "7.3.4+deb13-amd64"),
        ("linux-headers-6.1.0-56-amd64", None),
        ("linux-image-amd64", None),
    ],
)
def test_release_in_name(package, release):
    assert release_in_name(package) == release


@pytest.mark.parametrize("usr", ["", "usr/"])
def test_one_package(tmp_path, usr):
    path = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE, usr=usr))
    target = tmp_path / "out"
    unpack([inspect(path)], RELEASE, target, all_modules=False, reporter=Silent())
    assert everything_below(target) == KEPT


def test_split_packages(tmp_path):
    files = kernel_files(RELEASE)
    folder = f"usr/lib/modules/{RELEASE}"
    image = {f"{folder}/vmlinuz": files[f"boot/vmlinuz-{RELEASE}"]}
    base = {f"{folder}/config": b"CONFIG_MODULES=y\n", f"{folder}/modules.order": b""}
    rest = {f"{folder}/kernel/fs/9p/9p.ko": b"", f"{folder}/kernel/sound/snd.ko": b""}
    debs = [
        inspect(make_deb(tmp_path, f"linux-{kind}-{RELEASE}", "1", content))
        for kind, content in (("binary", image), ("base", base), ("modules", rest))
    ]
    target = tmp_path / "out"
    unpack(debs, RELEASE, target, all_modules=False, reporter=Silent())
    assert everything_below(target) == [name for name in KEPT if "builtin" not in name]


def test_all_modules(tmp_path):
    path = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    target = tmp_path / "out"
    unpack([inspect(path)], RELEASE, target, all_modules=True, reporter=Silent())
    added = set(everything_below(target)) - set(KEPT)
    assert added == {f"lib/modules/{RELEASE}/kernel/drivers/gpu/gpu.ko"}


def test_progress_ends_complete(tmp_path):
    class Bars(Silent):
        def progress(self, label, done_bytes, total_bytes):
            seen.append((label, done_bytes, total_bytes))

    seen = []
    path = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    unpack([inspect(path)], RELEASE, tmp_path / "out", all_modules=False, reporter=Bars())
    assert seen[-1] == (f"unpacking linux-image-{RELEASE}", 10240, 10240)


def test_kernel_without_its_configuration_is_not_complete(tmp_path):
    files = {k: v for k, v in kernel_files(RELEASE).items() if "config" not in k}
    path = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", files)
    with pytest.raises(FailedError, match=rf"no config of {RELEASE.replace('+', '.')} in it"):
        unpack([inspect(path)], RELEASE, tmp_path / "out", all_modules=False, reporter=Silent())


def test_damaged_package(tmp_path):
    path = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    deb = inspect(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FailedError, match=r"\.deb"):
        unpack([deb], RELEASE, tmp_path / "out", all_modules=False, reporter=Silent())


def test_no_package_and_a_package_of_something_else(tmp_path):
    (tmp_path / "x.deb").write_text("no")
    with pytest.raises(BadUseError, match="is no Debian package"):
        inspect(tmp_path / "x.deb")
    with pytest.raises(BadUseError, match="is package 'hello', not one of a kernel"):
        inspect(make_deb(tmp_path, "hello", "1", {}))


def evil_tar():
    """A package's content that tries to write outside and to plant links."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in (
            f"./lib/modules/{RELEASE}/kernel/fs/../../../../../escaped.ko",
            f"./lib/modules/{RELEASE}/modules.../../x",
            "/absolute",
            "./etc/passwd",
            "./lib/modules/other/kernel/fs/x.ko",
        ):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo(f"./lib/modules/{RELEASE}/kernel/link.ko")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
        for name, data in kernel_files(RELEASE).items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def test_a_package_cannot_write_outside(tmp_path, monkeypatch):
    path = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    deb = inspect(path)
    fake = tmp_path / "bin" / "dpkg-deb"
    fake.parent.mkdir()
    (tmp_path / "evil.tar").write_bytes(evil_tar())
    fake.write_text(f'#!/bin/sh\n[ "$1" = --field ] && echo 10 && exit\ncat {tmp_path}/evil.tar\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    target = tmp_path / "deep" / "er" / "out"
    unpack([deb], RELEASE, target, all_modules=True, reporter=Silent())
    written = [p for p in tmp_path.rglob("*") if p.is_file() or p.is_symlink()]
    outside = [p for p in written if not p.is_relative_to(target) and p.name == "escaped.ko"]
    assert outside == []
    assert set(everything_below(target)) == {
        *KEPT,
        f"lib/modules/{RELEASE}/kernel/drivers/gpu/gpu.ko",
    }
    assert not any(p.is_symlink() for p in written)
