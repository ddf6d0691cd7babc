"""The guest's first file system: archive, script, what is mounted where, modules."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from ebpf_overhead.errors import FailedError, MissingToolError, UnsupportedError
from ebpf_overhead.guest import initrd
from ebpf_overhead.guest.cpio import Archive
from ebpf_overhead.guest.layout import Layout, plan
from ebpf_overhead.guest.modules import Module, module_tree, needed_modules

NOTHING = Layout((), (), ())


# The archive.


def archive():
    made = Archive()
    made.directory("bin")
    made.file("bin/tool", b"odd", executable=True)
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


def test_build_holds_what_the_script_uses():
    data = initrd.build(
        "6.12.1", [Module("9p", b"\x7fELF")], NOTHING, Path("/s"), ["/py", "-c", "x"], b"{}"
    )
    found = members(data)
    assert found["modules/9p.ko"][1] == b"\x7fELF"
    assert found["guest.json"][1] == b"{}"
    assert found["bin/switch_root"][1] == b"busybox"
    assert b"exec switch_root /root /py -c x" in found["init"][1]


def test_missing_busybox_is_named(monkeypatch):
    monkeypatch.setattr(initrd, "_BUSYBOX", ("no-such-busybox",))
    with pytest.raises(MissingToolError, match="busybox-static"):
        initrd.build("6.12.1", [], NOTHING, Path("/s"), ["/py"], b"{}")


# The script.


def test_modules_are_loaded_in_order_before_the_root_is_mounted():
    lines = initrd.script("6.12.1", ["virtio", "9p"], NOTHING, Path("/s"), ["/py"]).splitlines()
    virtio, ninep = (lines.index(f"must insmod /modules/{name}.ko") for name in ("virtio", "9p"))
    root = next(i for i, line in enumerate(lines) if line.endswith(" root /root"))
    assert virtio < ninep < root
    assert " ro," in lines[root]


def test_script_is_valid_shell_with_awkward_paths():
    layout = Layout(("/tmp",), ("/tmp/a b'c",), (("/tmp/x y", "/tmp/a b'c"),))
    text = initrd.script("6.12.1", [], layout, Path("/tmp/sh are"), ["/p y", "-c", "print('x')"])
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_the_loopback_interface_is_up_before_anything_runs():
    lines = initrd.script("6.12.1", [], NOTHING, Path("/s"), ["/py"]).splitlines()
    assert lines.index("ifconfig lo up 2>/dev/null") < lines.index("exec switch_root /root /py")


def mounts(release):
    lines = initrd.script(release, [], NOTHING, Path("/s"), ["/py"]).splitlines()
    return [line for line in lines if " -t 9p " in line], [line for line in lines if "bdi" in line]


def test_kernels_that_clear_two_largest_buffers_a_request_are_given_small_ones():
    for release in ("5.10.0-46-amd64", "6.0.12-1-amd64", "6.1-rc3"):
        mounted, readahead = mounts(release)
        assert len(mounted) == 2
        assert all("msize=16384 " in line for line in mounted)
        assert "echo 4 >" in readahead[0]


def test_others_get_the_largest_requests_and_read_ahead_as_they_like():
    for release in ("6.1.0-56-amd64", "7.3.4+deb13-amd64"):
        mounted, readahead = mounts(release)
        assert all("msize=507904 " in line for line in mounted)
        assert not readahead


# What is mounted where.


@pytest.fixture
def places(tmp_path):
    for name in ("scratch/venv/bin", "scratch/link-target", "elsewhere/python"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "scratch" / "link").symlink_to(tmp_path / "elsewhere")
    return tmp_path


def test_needed_directory_below_scratch_is_shown_again(places):
    scratch = places / "scratch"
    layout = plan([scratch / "venv"], [str(scratch)])
    assert layout == Layout((str(scratch),), (str(scratch / "venv"),), ())


def test_nested_needs_are_shown_once(places):
    scratch = places / "scratch"
    layout = plan([scratch / "venv" / "bin", scratch / "venv"], [str(scratch)])
    assert layout.shown == (str(scratch / "venv"),)


def test_needs_outside_scratch_are_there_anyway(places):
    assert plan([places / "elsewhere"], [str(places / "scratch")]).shown == ()


def test_link_below_scratch_is_made_again(places):
    scratch = places / "scratch"
    layout = plan([scratch / "link" / "python"], [str(scratch)])
    assert layout.shown == ()
    assert layout.links == ((str(scratch / "link" / "python"), str(places / "elsewhere/python")),)


def test_scratch_directory_that_is_needed_itself_stays(places):
    assert plan([places / "scratch"], [str(places / "scratch")]).scratch == ()


def test_scratch_directory_the_host_lacks_is_left_out(places):
    assert plan([], [str(places / "absent")]).scratch == ()


def test_similar_names_are_not_below(places):
    (places / "scratch-2").mkdir()
    assert plan([places / "scratch-2"], [str(places / "scratch")]).shown == ()


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
    with pytest.raises(FailedError, match=r"9p\.ko\.xz is damaged"):
        needed_modules(module_tree(tree, RELEASE))
