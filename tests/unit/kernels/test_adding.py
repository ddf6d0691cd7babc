import gzip
import os
import shutil

import pytest
from kernels_fakes import CONFIG, Silent, build_string, bzimage, kernel_files, make_deb

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import image as image_module
from ebpf_overhead.kernels import store, upkeep
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.catalogue import find, installed
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import Layout

RELEASE = "6.12.117+deb13-amd64"
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "data", tmp_path / "history")


def no_apt():
    raise AssertionError("nothing here comes from a mirror")


def add(layout, *what, **choices):
    return Adder(layout, no_apt, Choices(**choices), Silent()).add([str(one) for one in what])


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "given" / f"vmlinuz-{RELEASE}"
    path.parent.mkdir()
    path.write_bytes(bzimage(RELEASE, build_string("2026-11-12", "6.12.117-1")))
    return path


@pytest.fixture
def module_folder(tmp_path):
    folder = tmp_path / "given" / "lib" / "modules" / RELEASE
    (folder / "kernel" / "fs").mkdir(parents=True)
    (folder / "modules.order").touch()
    (folder / "modules.builtin").touch()
    (folder / "kernel" / "fs" / "x.ko").touch()
    (folder / "build").symlink_to("/")
    return folder


@needs_dpkg
def test_a_package(layout, tmp_path):
    files = kernel_files(RELEASE, "6.12.117-1", "2026-11-12")
    deb = make_deb(tmp_path, f"linux-image-{RELEASE}", "6.12.117-1", files)
    assert add(layout, deb) == [RELEASE]
    kernel = find(RELEASE, layout)
    assert kernel.record.version == "6.12.117-1"
    assert kernel.record.build == "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-11-12)"
    assert kernel.record.built_on == "2026-11-12"
    assert kernel.record.features["btf"] == "y"
    assert kernel.record.features["ibt"] == "n"
    assert kernel.record.packages[0].sha256 == store.file_sha256(deb)
    assert kernel.record.sha256["vmlinuz"] == store.file_sha256(kernel.image)
    assert (kernel.modules / "lib/modules" / RELEASE / "modules.dep").exists()
    assert store.read_origin(kernel.directory).trust == "the user's files"
    assert History(layout.history).record(RELEASE) == kernel.record
    assert upkeep.verify(layout, kernel) == []


@needs_dpkg
def test_the_same_package_gives_the_same_commit_wherever_it_is_added(layout, tmp_path):
    deb = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    add(layout, deb)
    other = Layout(tmp_path / "other", tmp_path / "other-history")
    moved = shutil.copy(deb, tmp_path / "renamed.deb")
    add(other, moved, all_modules=True)
    assert History(other.history).hashes() == History(layout.history).hashes()


@needs_dpkg
def test_packages_are_sorted_out_by_their_kernel(layout, tmp_path):
    one = make_deb(
        tmp_path, "linux-image-6.1.0-56-amd64", "6.1.192-2", kernel_files("6.1.0-56-amd64")
    )
    files = kernel_files(RELEASE)
    halves = [
        make_deb(tmp_path, f"linux-{kind}-{RELEASE}", "6.12.117-1", content)
        for kind, content in (
            ("binary", {name: data for name, data in files.items() if "vmlinuz" in name}),
            ("modules", {name: data for name, data in files.items() if "vmlinuz" not in name}),
        )
    ]
    assert set(add(layout, halves[0], one, halves[1])) == {RELEASE, "6.1.0-56-amd64"}
    assert len(find(RELEASE, layout).record.packages) == 2


@needs_dpkg
def test_a_kernel_that_fails_leaves_those_before_it_and_nothing_of_itself(layout, tmp_path):
    good = make_deb(
        tmp_path, "linux-image-6.1.0-56-amd64", "6.1.192-2", kernel_files("6.1.0-56-amd64")
    )
    bad = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", {"boot/README": b""})
    with pytest.raises(FailedError, match="no vmlinuz"):
        add(layout, good, bad)
    assert [path.name for path in layout.kernels.iterdir()] == ["6.1.0-56-amd64"]
    assert list(History(layout.history).hashes()) == ["6.1.0-56-amd64"]


@needs_dpkg
def test_a_package_whose_image_is_of_another_kernel_is_refused(layout, tmp_path):
    files = kernel_files(RELEASE)
    files[f"boot/vmlinuz-{RELEASE}"] = bzimage("6.12.1", build_string())
    deb = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", files)
    with pytest.raises(BadUseError, match=r"holds an image of 6\.12\.1"):
        add(layout, deb)


@needs_dpkg
def test_another_build_is_refused_then_replaced(layout, tmp_path):
    first = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    files = kernel_files(RELEASE, "6.12.117-2")
    second = make_deb(tmp_path / "b", f"linux-image-{RELEASE}", "6.12.117-2", files)
    add(layout, first)
    before = History(layout.history).hashes()[RELEASE]
    with pytest.raises(BadUseError, match="already there and differs"):
        add(layout, second)
    assert History(layout.history).hashes() == {RELEASE: before}
    add(layout, second, replace=True)
    assert History(layout.history).hashes()[RELEASE] != before
    assert find(RELEASE, layout).record.version == "6.12.117-2"


def test_an_image_with_its_modules(layout, image, module_folder):
    config = image.with_name(f"config-{RELEASE}")
    config.write_text(CONFIG.format(version="6.12.117"))
    for given in (module_folder, module_folder.parent, module_folder.parents[2]):
        assert add(layout, image, modules=given) == [RELEASE]
    kernel = find(RELEASE, layout)
    assert kernel.source == "files"
    assert kernel.config.read_text() == config.read_text()
    copied = kernel.modules / "lib/modules" / RELEASE
    assert (copied / "modules.dep").exists()
    assert not os.path.lexists(copied / "build")
    assert kernel.record.sha256["modules"]
    assert upkeep.verify(layout, kernel) == []


def test_other_modules_are_another_kernel(layout, image, module_folder):
    add(layout, image, modules=module_folder)
    (module_folder / "kernel/fs/x.ko").write_bytes(b"rebuilt")
    with pytest.raises(BadUseError, match="already there and differs"):
        add(layout, image, modules=module_folder)


def test_an_image_alone_has_no_modules_and_no_configuration(layout, image):
    add(layout, image)
    kernel = find(RELEASE, layout)
    assert kernel.modules is None
    assert kernel.config is None
    assert kernel.record.features == {}


def test_modules_of_another_kernel_are_refused(layout, image, tmp_path):
    other = tmp_path / "lib" / "modules" / "5.10.0"
    other.mkdir(parents=True)
    with pytest.raises(BadUseError, match=r"does not hold the modules of 6\.12\.117"):
        add(layout, image, modules=other)
    assert installed(layout) == []


@pytest.fixture
def tree(tmp_path, image):
    """A built tree whose Makefile does what the kernel's does for modules_install."""
    tree = tmp_path / "linux"
    (tree / "arch/x86/boot").mkdir(parents=True)
    shutil.copy(image, tree / "arch/x86/boot/bzImage")
    (tree / ".config").write_text(CONFIG.format(version="6.12.117"))
    (tree / "Makefile").write_text(
        "modules_install:\n"
        '\t@test "$(ARCH)" = x86 -a "$(INSTALL_MOD_STRIP)" = 1 -a "$(DEPMOD)" = true\n'
        f"\t@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/{RELEASE}/kernel\n"
        f"\t@cd $(INSTALL_MOD_PATH)/lib/modules/{RELEASE} && "
        "touch modules.order modules.builtin kernel/x.ko && ln -s / build\n"
    )
    return tree


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_built_tree(layout, tree):
    assert add(layout, tree) == [RELEASE]
    kernel = find(RELEASE, layout)
    assert kernel.source == "tree"
    assert (kernel.modules / "lib/modules" / RELEASE / "kernel/x.ko").exists()
    assert kernel.record.features["btf"] == "y"
    assert upkeep.verify(layout, kernel) == []
    # Installed modules are signed again, which changes their bytes: the kernel is the same.
    makefile = tree / "Makefile"
    makefile.write_text(
        makefile.read_text().replace("&& ln -s", "&& date +%N > kernel/x.ko && ln -s")
    )
    commit = History(layout.history).hashes()
    add(layout, tree)
    assert History(layout.history).hashes() == commit


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_tree_whose_modules_cannot_be_installed(layout, tree):
    (tree / "Makefile").write_text("modules_install:\n\t@echo no modules >&2; false\n")
    with pytest.raises(FailedError, match="make modules_install: "):
        add(layout, tree)
    assert installed(layout) == []


def test_a_tree_without_modules(layout, tree):
    config = tree / ".config"
    config.write_text(config.read_text().replace("CONFIG_MODULES=y", ""))
    add(layout, tree)
    assert find(RELEASE, layout).modules is None


def test_a_tree_that_was_not_built(layout, tmp_path):
    with pytest.raises(BadUseError, match="is not a built kernel tree"):
        add(layout, tmp_path)


def test_running(layout):
    (release,) = add(layout, "running")
    assert release == os.uname().release
    kernel = find("running", layout)
    assert kernel.image is None
    assert kernel.modules is None
    assert kernel.arch == os.uname().machine
    assert kernel.record.build == os.uname().version
    assert release in History(layout.history).hashes()
    assert add(layout, "running") == [release]  # Again is no conflict.


@pytest.mark.parametrize("what", ["./nothing", "vmlinuz", "linux-image.deb"])
def test_nothing_of_that_name(layout, what):
    with pytest.raises(BadUseError, match=r"is neither a file nor|is not a file"):
        add(layout, what)


@needs_dpkg
def test_remove_takes_the_kernel_its_commit_and_its_packages(layout, tmp_path):
    deb = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    add(layout, deb, "running")
    layout.packages.mkdir(parents=True)
    for name in (f"linux-image-{RELEASE}_1_amd64.deb", "linux-image-6.1.0-56-amd64_1_amd64.deb"):
        (layout.packages / name).touch()
    kernel = find(RELEASE, layout)
    upkeep.remove(layout, [kernel.release], keep_packages=True, reporter=Silent())
    assert len(list(layout.packages.iterdir())) == 2
    assert list(History(layout.history).hashes()) == [os.uname().release]
    add(layout, deb)
    upkeep.remove(layout, [kernel.release], keep_packages=False, reporter=Silent())
    assert [p.name for p in layout.packages.iterdir()] == ["linux-image-6.1.0-56-amd64_1_amd64.deb"]
    assert deb.exists()


@needs_dpkg
def test_verify_sees_a_changed_file_and_a_changed_history(layout, tmp_path):
    deb = make_deb(tmp_path, f"linux-image-{RELEASE}", "1", kernel_files(RELEASE))
    add(layout, deb)
    kernel = find(RELEASE, layout)
    kernel.image.write_bytes(b"x")
    assert "vmlinuz changed" in upkeep.verify(layout, kernel)[0]
    History(layout.history).sync([])
    assert "commit in the history cannot be read" in upkeep.verify(layout, kernel)[1]


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "shadow"
    path.write_text("root:$6$secret:20000:0:99999:7:::\n")
    path.chmod(0o600)
    return path


def test_a_configuration_that_leads_to_another_file_is_not_published(layout, image, secret):
    """As root, a link beside another user's image would copy what only root may read."""
    (image.parent / "config").symlink_to(secret)
    with pytest.raises(BadUseError, match="config is no kernel configuration: line 1 sets no"):
        add(layout, image)
    with pytest.raises(BadUseError, match="no kernel configuration"):
        add(layout, image, config=secret)
    assert installed(layout) == []
    assert [path.name for path in layout.kernels.iterdir()] == []
    published = [path.read_bytes() for path in layout.root.rglob("*") if path.is_file()]
    assert not any(b"secret" in content for content in published)


def test_another_users_link_leads_to_that_users_files_only(layout, image, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    real = tmp_path / "real-config"
    real.write_text(CONFIG)
    link = image.parent / "config"
    link.symlink_to(real)
    os.chown(link, 54321, -1, follow_symlinks=False)
    with pytest.raises(BadUseError, match="user 54321 made it a link to a file of user 0"):
        add(layout, image)
    os.chown(real, 54321, -1)
    assert add(layout, image) == [RELEASE]


@pytest.mark.parametrize("content", [b"CONFIG_DEBUG_INFO_BTF=[/nope]\n", b"\xff\n", b"\x1b[2J\n"])
def test_a_strange_configuration_is_refused(layout, image, content):
    (image.parent / "config").write_bytes(content)
    with pytest.raises(BadUseError, match="config"):
        add(layout, image)
    assert installed(layout) == []


def test_size_of_a_module_folder_is_bounded(layout, image, module_folder, monkeypatch):
    monkeypatch.setattr(store, "LARGEST_BYTES", 1000)
    (module_folder / "kernel" / "big.ko").write_bytes(bytes(1001))
    with pytest.raises(FailedError, match="more than 1,000; install the modules with"):
        add(layout, image, modules=module_folder)


def test_what_is_no_file_among_modules_is_left_out(layout, image, module_folder):
    os.mkfifo(module_folder / "kernel" / "pipe.ko")
    add(layout, image, modules=module_folder)
    assert "kernel/fs/x.ko" in " ".join(store.checksums(find(RELEASE, layout).directory))


@needs_dpkg
def test_an_image_that_is_a_bomb_is_not_published(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(image_module, "_LARGEST_KERNEL_BYTES", 1 << 20)
    files = {**kernel_files(RELEASE), f"boot/vmlinuz-{RELEASE}": gzip.compress(bytes(2 << 20))}
    with pytest.raises(FailedError, match="the kernel in vmlinuz is not unpacked"):
        add(layout, make_deb(tmp_path, f"linux-image-{RELEASE}", "6.12.117-1", files))
    assert installed(layout) == []
    assert list(layout.kernels.iterdir()) == []


@pytest.mark.parametrize("name", ["[" * 100_000, "x" * 100_000 + ".deb", "a\0b", "x/" * 5000])
def test_what_no_file_can_be_called_is_bad_use(layout, name):
    with pytest.raises(BadUseError, match=r"is neither a file nor|is not a file") as caught:
        add(layout, name)
    assert len(str(caught.value)) < 500
