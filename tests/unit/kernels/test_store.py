import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from kernels_fakes import Silent, make_record

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import store, upkeep
from ebpf_overhead.kernels.catalogue import damaged, find, installed
from ebpf_overhead.kernels.layout import Layout, default_layout
from ebpf_overhead.kernels.record import PackageRecord, from_json

ORIGIN = store.Origin("the user's files", ("a.deb",), all_modules=False)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path, tmp_path / "history")


def entries(layout):
    return sorted(path.name for path in layout.kernels.iterdir())


def put(layout, record, image=b"image"):
    with store.staging(layout.kernels, record.release) as staged:
        (staged / "vmlinuz").write_bytes(image)
        folder = store.module_folder(staged, record.release)
        folder.mkdir(parents=True)
        (folder / "modules.dep").write_text("")
        return store.publish(staged, layout.kernels, record, ORIGIN)


def test_a_published_kernel_is_complete_and_found(layout):
    record = make_record("6.12.117+deb13-amd64", "6.12.117-1")
    directory = put(layout, record)
    kernel = find("6.12.117+deb13-amd64", layout)
    assert kernel.image == directory / "vmlinuz"
    assert kernel.modules == directory
    assert (kernel.modules / "lib/modules/6.12.117+deb13-amd64").is_dir()
    assert kernel.config is None
    assert kernel.record == record
    assert store.read_origin(directory).places == ("a.deb",)
    assert entries(layout) == ["6.12.117+deb13-amd64"]
    assert {kernel: 1}[kernel] == 1  # Usable as a key.


def test_sums_are_what_sha256sum_reads(layout):
    directory = put(layout, make_record("6.1.1"))
    command = ["sha256sum", "--quiet", "--check", store.SUMS]
    done = subprocess.run(command, cwd=directory, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_differences_name_each_changed_missing_and_foreign_file(layout):
    directory = put(layout, make_record("6.1.1"))
    assert store.differences(directory) == []
    (directory / "vmlinuz").write_bytes(b"other")
    (directory / "lib/modules/6.1.1/modules.dep").unlink()
    (directory / "lib/modules/6.1.1/evil.ko").touch()
    changed, missing, foreign = (
        next(line for line in store.differences(directory) if word in line)
        for word in ("changed", "missing", "belong")
    )
    assert changed.startswith("vmlinuz changed: SHA-256 ")
    assert missing == "lib/modules/6.1.1/modules.dep is missing"
    assert foreign == "lib/modules/6.1.1/evil.ko does not belong there"
    (directory / store.SUMS).unlink()
    assert store.differences(directory) == ["SHA256SUMS is missing"]


def test_replacing_keeps_one_kernel(layout):
    put(layout, make_record("6.1.1"), b"first")
    put(layout, make_record("6.1.1"), b"second")
    assert find("6.1.1", layout).image.read_bytes() == b"second"
    assert entries(layout) == ["6.1.1"]


def test_another_build_of_a_release_is_refused_unless_asked_for(layout):
    put(layout, make_record("6.1.1"))
    rebuilt = make_record("6.1.1", date="2026-02-02")
    store.refuse_other(layout.kernels, make_record("6.1.1"), replace=False)
    store.refuse_other(layout.kernels, rebuilt, replace=True)
    with pytest.raises(BadUseError, match=r"6\.1\.1 is already there and differs"):
        store.refuse_other(layout.kernels, rebuilt, replace=False)


def test_an_error_while_staging_leaves_nothing(layout):
    def stage_and_fail():
        with store.staging(layout.kernels, "6.1.1") as staged:
            (staged / "vmlinuz").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage_and_fail()
    assert entries(layout) == []


def test_what_a_killed_command_left_is_no_kernel_and_goes_away(layout):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from ebpf_overhead.kernels import store\n"
        "with store.staging(Path(sys.argv[1]), '6.1.1') as staged:\n"
        "    (staged / 'vmlinuz').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, str(layout.kernels)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(entries(layout)) == 1
    assert installed(layout) == []
    put(layout, make_record("6.1.2"))
    assert entries(layout) == ["6.1.2"]


def test_a_command_killed_between_two_renames_loses_no_kernel(layout):
    directory = put(layout, make_record("6.1.1"))
    directory.rename(layout.kernels / ".old-6.1.1")
    put(layout, make_record("6.1.2"))
    assert entries(layout) == ["6.1.1", "6.1.2"]


def test_remove(layout):
    put(layout, make_record("6.1.1"))
    store.remove(layout.kernels, "6.1.1")
    assert entries(layout) == []


def test_find(layout):
    for release, version in [
        ("6.1.0-56-amd64", "6.1.192-2"),
        ("6.12.107+deb13-amd64", "6.12.107-1"),
        ("6.12.117+deb13-amd64", "6.12.117-1"),
    ]:
        put(layout, make_record(release, version))
    running = make_record("6.12.200-custom")
    put(layout, running.__class__(**{**vars(running), "source": "running"}))
    assert [kernel.release for kernel in installed(layout)] == [
        "6.1.0-56-amd64",
        "6.12.107+deb13-amd64",
        "6.12.117+deb13-amd64",
        "6.12.200-custom",
    ]
    assert find("6.12", layout).release == "6.12.117+deb13-amd64"  # Not the running one.
    assert find("6.1.192", layout).release == "6.1.0-56-amd64"
    assert find("running", layout).release == "6.12.200-custom"
    with pytest.raises(BadUseError, match=r"no kernel '6\.1\.0-57' is here, but 6\.1\.0-56-amd64"):
        find("6.1.0-57", layout)


def test_a_damaged_record_is_named(layout):
    directory = put(layout, make_record("6.1.1"))
    (directory / "kernel.json").write_text("{}")
    with pytest.raises(FailedError, match=r"6\.1\.1/kernel\.json has schema None, not 1"):
        find("6.1.1", layout)
    (directory / "kernel.json").unlink()
    with pytest.raises(FailedError, match=r"kernel\.json cannot be read: No such file.*remove 6"):
        find("6.1.1", layout)


def test_record_round_trip_and_schema():
    record = make_record("6.1.1")
    assert from_json(record.to_json().encode(), "x") == record
    newer = {**json.loads(record.to_json()), "schema": 99}
    with pytest.raises(FailedError, match="schema 99, not 1"):
        from_json(json.dumps(newer).encode(), "x")


def test_data_directory_follows_the_environment(monkeypatch, tmp_path):
    for name in ("EBPF_OVERHEAD_DATA", "EBPF_OVERHEAD_HISTORY", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_layout().root == tmp_path / ".local/share/ebpf-overhead"
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert str(default_layout().kernels) == "/xdg/ebpf-overhead/kernels"
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", "/data")
    assert str(default_layout().history) == "/data/history"
    monkeypatch.setenv("EBPF_OVERHEAD_HISTORY", "/elsewhere")
    assert str(default_layout().history) == "/elsewhere"
    assert str(default_layout(history=tmp_path / "x").history) == str(tmp_path / "x")


def test_a_second_command_waits_and_says_so(layout):
    notes = []

    class Notes(Silent):
        def note(self, text):
            notes.append(text)
            holder.communicate(b"go\n")

    script = (
        "import sys\nfrom pathlib import Path\n"
        "from ebpf_overhead.kernels.layout import Layout\n"
        "with Layout(Path(sys.argv[1]), Path('h')).locked(None):\n"
        "    print('held', flush=True)\n    sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", script, str(layout.root)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout.readline() == b"held\n"
        with layout.locked(Notes()):
            assert holder.poll() is not None
    assert notes == [f"waiting for another command that uses {layout.root}"]


def spoil_json(directory):
    (directory / "kernel.json").write_bytes(b"[" * 10_000)


def spoil_types(directory):
    values = json.loads((directory / "kernel.json").read_text())
    (directory / "kernel.json").write_text(json.dumps({**values, "version": ["6.1"]}))


def spoil_version(directory):
    values = json.loads((directory / "kernel.json").read_text())
    (directory / "kernel.json").write_text(json.dumps({**values, "version": "6." + "1" * 5000}))


def spoil_date(directory):
    values = json.loads((directory / "kernel.json").read_text())
    (directory / "kernel.json").write_text(json.dumps({**values, "built_at_s": 10**18}))


def spoil_release(directory):
    values = json.loads((directory / "kernel.json").read_text())
    (directory / "kernel.json").write_text(json.dumps({**values, "release": "6.1.2"}))


def spoil_origin(directory):
    (directory / "origin.json").write_text('{"places": 5}')


def spoil_config(directory):
    (directory / "config").write_bytes(b"CONFIG_A=\xff")


def spoil_rights(directory):
    directory.chmod(0o777)


def spoil_all(directory):
    for path in directory.iterdir():
        if path.is_file():
            path.unlink()


SPOILERS = (
    spoil_json,
    spoil_types,
    spoil_version,
    spoil_date,
    spoil_release,
    spoil_origin,
    spoil_config,
    spoil_rights,
    spoil_all,
)


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_bad_kernel_does_no_harm_to_the_others(layout, spoil):
    for release in ("6.1.1", "6.1.2", "6.1.3"):
        put(layout, make_record(release))
    upkeep.sync_history(layout)
    spoil(layout.kernels / "6.1.1")
    assert [kernel.release for kernel in installed(layout)] == ["6.1.2", "6.1.3"]
    assert find("6.1", layout).release == "6.1.3"
    assert list(damaged(layout)) == ["6.1.1"]
    with pytest.raises(type(damaged(layout)["6.1.1"])):
        find("6.1.1", layout)
    assert upkeep.remove(layout, ["6.1.3"], False, Silent()) == ["6.1.3"]
    assert upkeep.remove(layout, ["6.1.1"], False, Silent()) == ["6.1.1"]
    assert entries(layout) == ["6.1.2"]


def test_what_is_no_kernel_at_all_is_told_and_can_be_removed(layout, tmp_path):
    put(layout, make_record("6.1.2"))
    (layout.kernels / "notes.txt").write_text("")
    (layout.kernels / "\x1b[2J").mkdir()
    (layout.kernels / "link").symlink_to(tmp_path)
    assert [kernel.release for kernel in installed(layout)] == ["6.1.2"]
    assert sorted(damaged(layout)) == ["\x1b[2J", "link", "notes.txt"]
    assert all(str(error).isprintable() for error in damaged(layout).values())
    upkeep.remove(layout, list(damaged(layout)), False, Silent())
    assert entries(layout) == ["6.1.2"]
    assert tmp_path.is_dir()


def test_names_in_a_record_remove_no_other_packages(layout, tmp_path):
    layout.packages.mkdir(parents=True)
    kept = layout.packages / "linux-image-6.2_1_amd64.deb"
    kept.touch()
    package = PackageRecord("linux-image-6*", "1", "amd64", "linux (1)", "0" * 64)
    put(layout, replace(make_record("6.1.1"), packages=(package,)))
    upkeep.remove(layout, ["6.1.1"], False, Silent())
    assert kept.exists()


def test_a_file_name_that_breaks_the_list_of_sums_is_not_published(layout):
    with store.staging(layout.kernels, "6.1.1") as staged:
        (staged / "a\nb.ko").touch()
        with pytest.raises(BadUseError, match=r"a file of 6\.1\.1 is called 'a"):
            store.publish(staged, layout.kernels, make_record("6.1.1"), ORIGIN)
    assert entries(layout) == []


def test_a_damaged_list_of_sums_is_a_difference(layout):
    directory = put(layout, make_record("6.1.1"))
    (directory / "SHA256SUMS").write_text("nothing\n\n")
    assert "vmlinuz does not belong there" in store.differences(directory)
