import io
import shutil
import tarfile

import pytest
from kernels_fakes import Silent, control, kernel_files, make_deb, raw_deb, sparse_tar, tar

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import debfile, debstream, store
from ebpf_overhead.kernels.debfile import inspect, release_in_name, unpack

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")
RELEASE = "6.12.117+deb13-amd64"
CONTROL = tar({"control": control(f"linux-image-{RELEASE}")})


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


def test_a_package_cannot_write_outside(tmp_path):
    deb = inspect(raw_deb(tmp_path / "x.deb", CONTROL, evil_tar()))
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


def refused(tmp_path, data_tar, why):
    """Unpacking says why not, and leaves nothing large behind."""
    deb = inspect(raw_deb(tmp_path / "x.deb", CONTROL, data_tar))
    with pytest.raises(FailedError, match=why):
        unpack([deb], RELEASE, tmp_path / "out", all_modules=True, reporter=Silent())
    written = (tmp_path / "out").rglob("*")
    assert sum(path.stat().st_size for path in written if path.is_file()) < 1 << 20


MODULE = f"lib/modules/{RELEASE}/kernel/x.ko"


@pytest.mark.parametrize("name", [f"boot/vmlinuz-{RELEASE}", f"boot/config-{RELEASE}", MODULE])
def test_a_file_with_holes_is_refused(tmp_path, name):
    """916 bytes of package would fill the disk."""
    assert raw_deb(tmp_path / "x.deb", CONTROL, sparse_tar(name, 1 << 32)).stat().st_size < 1000
    refused(tmp_path, sparse_tar(name, 1 << 32), r"is refused: 4,294,967,296 bytes with holes")


def test_size_of_a_package_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "LARGEST_BYTES", 1 << 19)
    refused(tmp_path, tar({MODULE: bytes(1 << 20)}), "more than 524,288 bytes")
    refused(tmp_path, tar({"usr/share/doc/x": bytes(1 << 20)}), "more than 524,288 bytes")


def test_size_of_a_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(debfile, "_LARGEST_FILE_BYTES", 100)
    refused(tmp_path, tar({MODULE: bytes(101)}), "101 bytes;")


def test_number_of_files_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(debstream, "_MOST_MEMBERS", 10)
    refused(tmp_path, tar({f"x{number}": b"" for number in range(11)}), "more than 10 files")


def test_length_of_a_name_is_bounded(tmp_path):
    refused(tmp_path, tar({MODULE: b"", "x" * 70_000: b""}), "a name of 70,0.. bytes")


@pytest.mark.parametrize("name", ["a\x1b[2J.ko", "a\u202eb.ko"])
def test_a_module_whose_name_a_terminal_would_obey_is_refused(tmp_path, name):
    refused(tmp_path, tar({MODULE.replace("x.ko", name): b""}), r"is refused: 0 bytes")


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path):
    names = {f"{MODULE}": b"", f"{MODULE}/y.ko": b""}
    refused(tmp_path, tar(names), r"x\.deb cannot be unpacked: (File exists|Not a directory)")


@pytest.mark.parametrize(
    ("control_tar", "why"),
    [
        (tar({}), "Package is 'None'"),
        (tar({"control": b"Package: linux-image-6.1\n"}), "Version is 'None'"),
        (tar({"control": control("linux-image-6.1", "6." + "1" * 5000)}), r"5002 characters"),
        (tar({"control": control("linux-image-6.1", "6.1\x1b[2J")}), r"Version is '6\.1\\\\x1b"),
        (tar({"control": b"\xff\0" * 1000}), "Package is 'None'"),
        (sparse_tar("control", 1 << 36), "Package is 'None'"),
        (tar({"control": bytes(5 << 20)}), "more than 4,194,304 bytes"),
        (tar({"x": bytes(5 << 20)}), "more than 4,194,304 bytes"),
        (b"no archive" * 100, "damaged"),
    ],
)
def test_a_strange_control_file_is_an_error(tmp_path, control_tar, why):
    with pytest.raises((BadUseError, FailedError), match=why):
        inspect(raw_deb(tmp_path / "x.deb", control_tar, tar({})))


def test_a_strange_size_is_none(tmp_path):
    fields = control(f"linux-image-{RELEASE}", **{"Installed-Size": "-9e99"})
    assert inspect(raw_deb(tmp_path / "x.deb", tar({"control": fields}), b"")).installed_bytes == 0
