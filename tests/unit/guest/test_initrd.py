"""The guest's root: archive, script, what is mounted where, modules."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ebpf_overhead.errors import FailedError, MissingToolError, UnsupportedError
from ebpf_overhead.guest import initrd, ninep
from ebpf_overhead.guest.cpio import Archive
from ebpf_overhead.guest.modules import Module, module_tree, needed_modules
from ebpf_overhead.guest.view import View

NOTHING = View()


# The archive.


def archive():
    made = Archive()
    made.directory("bin")
    made.file("bin/tool", b"odd", 0o755)
    made.file("data", b"")
    made.symlink("bin/sh", "tool")
    made.character_device("console", 5, 1)
    return made.finish()


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_reads_the_archive(tmp_path):
    listed = subprocess.run(
        ["cpio", "-itv", "--quiet"], input=archive(), capture_output=True, check=True, cwd=tmp_path
    )
    text = listed.stdout.decode()
    assert "drwxr-xr-x" in text
    assert "bin/sh -> tool" in text
    assert "5,   1" in text


def members(data):
    at, found = 0, {}
    while True:
        assert at % 4 == 0
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        assert data[at : at + 6] == b"070701"
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        start = -(-(at + 110 + fields[11]) // 4) * 4
        found[name] = (fields[1], data[start : start + fields[6]], fields[9:11])
        at = -(-(start + fields[6]) // 4) * 4
        if name == "TRAILER!!!":
            return found


def test_members_of_the_archive():
    found = members(archive())
    assert found["bin"][0] == 0o40755
    assert found["bin/tool"] == (0o100755, b"odd", [0, 0])
    assert found["data"][:2] == (0o100644, b"")
    assert found["bin/sh"][:2] == (0o120777, b"tool")
    assert found["console"] == (0o20600, b"", [5, 1])


def test_equal_contents_give_equal_bytes():
    assert archive() == archive()


def build(seen=NOTHING, loaded=(), modules=()):
    return members(initrd.build(modules, seen, loaded, ["/py", "-c", "x"], b"{}"))


def test_build_holds_what_the_script_uses():
    found = build(modules=[Module("9p", b"\x7fELF", Path("9p.ko"))])
    assert found[".guest/modules/9p.ko"][1] == b"\x7fELF"
    assert found[".guest/guest.json"][1] == b"{}"
    assert found[".guest/insmod"][1] == b"busybox"
    assert b"\nexec /py -c x\n" in found["init"][1]


def test_scratch_directories_have_the_usual_modes():
    found = build()
    modes = {name: oct(found[name][0] & 0o7777) for name in ("tmp", "var/tmp", "root", "run")}
    assert modes == {"tmp": "0o1777", "var/tmp": "0o1777", "root": "0o700", "run": "0o755"}


def test_files_and_links_of_the_host_are_copied(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"#!")
    program.chmod(0o4750)
    found = build(View((), (str(program),), (("/tmp/link", "/usr/bin"),)))
    assert found[str(program).lstrip("/")][:2] == (0o100750, b"#!")
    assert found["tmp/link"][:2] == (0o120777, b"/usr/bin")


def test_loaded_file_comes_with_its_time_and_every_link_that_leads_to_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/lib.so.1").write_bytes(b"\x7fELF")
    os.utime(tmp_path / "real/lib.so.1", (1_700_000_000, 1_700_000_000))
    (tmp_path / "real/lib.so").symlink_to("lib.so.1")
    (tmp_path / "alias").symlink_to("real")
    names = [f"{tmp_path}/alias/lib.so", f"{tmp_path}/real/lib.so", f"{tmp_path}/absent"]
    found = build(loaded=names)
    place = str(tmp_path).lstrip("/")
    assert found[f"{place}/alias"][:2] == (0o120777, b"real")
    assert found[f"{place}/real/lib.so"][:2] == (0o120777, b"lib.so.1")
    assert found[f"{place}/real/lib.so.1"][1] == b"\x7fELF"
    assert f"{1_700_000_000:08X}".encode() in initrd.build([], NOTHING, names, ["/py"], b"{}")
    assert f"{place}/absent" not in found
    assert list(found).index(place) < list(found).index(f"{place}/real")


def test_missing_busybox_is_named(monkeypatch):
    monkeypatch.setattr(initrd, "_BUSYBOX", ("no-such-busybox",))
    with pytest.raises(MissingToolError, match="busybox-static"):
        build()


# The script.


def test_modules_are_loaded_in_order_and_nothing_of_the_host_is_mounted():
    text = initrd.script(["virtio", "9p"], ["/py"])
    load = "must insmod /.guest/modules/"
    assert text.index(f"{load}virtio.ko") < text.index(f"{load}9p.ko")
    assert "-t 9p" not in text


def test_script_is_valid_shell_with_awkward_paths():
    text = initrd.script([], ["/p y", "-c", "print('x')"])
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_the_loopback_interface_is_up_before_anything_runs():
    lines = initrd.script([], ["/py"]).splitlines()
    assert lines.index("ifconfig lo up 2>/dev/null") < lines.index("exec /py")


def test_kernels_that_clear_two_largest_buffers_a_request_are_given_small_ones():
    for release in ("5.10.0-46-amd64", "6.0.12-1-amd64", "6.1-rc3"):
        assert ninep.mount_options(release).endswith("msize=16384")
        assert ninep.readahead_kib(release) == 4


def test_others_get_the_largest_requests_and_read_ahead_as_they_like():
    for release in ("6.1.0-56-amd64", "7.3.4+deb13-amd64"):
        assert ninep.mount_options(release).endswith("msize=507904")
        assert ninep.readahead_kib(release) is None


# Modules.

RELEASE = "6.1.0-test"


def module(name, depends, directory, packing=""):
    content = b"\x7fELF" + b"\0" * 60 + f"license=GPL\0depends={depends}\0name={name}\0".encode()
    directory.mkdir(parents=True, exist_ok=True)
    packed = lzma.compress(content) if packing == ".xz" else content
    (directory / f"{name}.ko{packing}").write_bytes(packed)


@pytest.fixture
def tree(tmp_path):
    kernel = tmp_path / "lib" / "modules" / RELEASE / "kernel"
    module("9p", "9pnet,netfs", kernel / "fs/9p", ".xz")
    module("netfs", "", kernel / "fs/netfs")
    module("9pnet", "", kernel / "net/9p")
    module("9pnet_virtio", "virtio,virtio_ring,9pnet", kernel / "net/9p", ".xz")
    module("virtio", "", kernel / "drivers/virtio")
    module("virtio-ring", "virtio", kernel / "drivers/virtio")
    return tmp_path


def test_modules_come_after_what_they_depend_on(tree):
    names = [each.name for each in needed_modules(module_tree(tree, RELEASE))]
    assert names == ["virtio", "virtio_ring", "9pnet", "9pnet_virtio", "netfs", "9p"]


def test_packed_modules_are_unpacked(tree):
    assert all(m.content.startswith(b"\x7fELF") for m in needed_modules(module_tree(tree, RELEASE)))


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ("# CONFIG_MODULE_SIG_FORCE is not set\n", False),
        ("CONFIG_MODULE_SIG_FORCE=y\n", True),
        (None, True),
    ],
)
def test_signatures_are_left_out_where_the_kernel_does_not_insist(tree, config, kept):
    path = module_tree(tree, RELEASE) / "kernel/fs/netfs/netfs.ko"
    plain, signature = path.read_bytes(), b"signature"
    header = bytes(8) + len(signature).to_bytes(4, "big")
    signed = plain + signature + header + b"~Module signature appended~\n"
    path.write_bytes(signed)
    found = {each.name: each.content for each in needed_modules(module_tree(tree, RELEASE), config)}
    assert found["netfs"] == (signed if kept else plain)
    assert found["virtio"].endswith(b"name=virtio\0")


def test_module_tree_may_be_given_itself(tree):
    given = tree / "lib" / "modules" / RELEASE
    assert module_tree(given, RELEASE) == given


def test_no_modules(tmp_path):
    assert module_tree(None, RELEASE) is None
    assert module_tree(tmp_path, RELEASE) is None
    assert needed_modules(None) == []


def test_kernel_for_clouds_is_refused_before_it_is_booted(tree):
    directory = module_tree(tree, RELEASE)
    (directory / "kernel/fs/9p/9p.ko.xz").unlink()
    (directory / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    with pytest.raises(UnsupportedError, match="no 9p file system"):
        needed_modules(directory)


def test_9p_may_be_built_in(tree):
    directory = module_tree(tree, RELEASE)
    (directory / "kernel/fs/9p/9p.ko.xz").unlink()
    (directory / "modules.builtin").write_text("kernel/fs/9p/9p.ko\n")
    assert "9p" not in [each.name for each in needed_modules(directory)]


def test_damaged_module_is_named(tree):
    path = module_tree(tree, RELEASE) / "kernel/fs/9p/9p.ko.xz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(FailedError, match=r"xz cannot unpack module .*9p\.ko\.xz"):
        needed_modules(module_tree(tree, RELEASE))
