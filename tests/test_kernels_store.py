import json
import signal
import subprocess
import sys

import pytest
from kernels_fakes import make_record

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import store
from ebpf_overhead.kernels.catalogue import find, installed
from ebpf_overhead.kernels.layout import Layout, default_layout
from ebpf_overhead.kernels.record import from_json
from ebpf_overhead.kernels.reporting import Silent

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
    with pytest.raises(BadUseError, match=r"no kernel '6\.2' here; known: 6\.1\.0-56-amd64, "):
        find("6.2", layout)


def test_a_damaged_record_is_named(layout):
    directory = put(layout, make_record("6.1.1"))
    (directory / "kernel.json").write_text("{}")
    with pytest.raises(FailedError, match=r"6\.1\.1/kernel\.json is damaged"):
        installed(layout)
    (directory / "kernel.json").unlink()
    with pytest.raises(FailedError, match="is no kernel"):
        installed(layout)


def test_record_round_trip_and_schema():
    record = make_record("6.1.1")
    assert from_json(record.to_json(), "x") == record
    newer = {**json.loads(record.to_json()), "schema": 99}
    with pytest.raises(FailedError, match="schema 99, not 1"):
        from_json(json.dumps(newer), "x")


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
        "from ebpf_overhead.kernels.reporting import Silent\n"
        "with Layout(Path(sys.argv[1]), Path('h')).locked(Silent()):\n"
        "    print('held', flush=True)\n    sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", script, str(layout.root)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout.readline() == b"held\n"
        with layout.locked(Notes()):
            assert holder.poll() is not None
    assert notes == [f"waiting for another command that uses {layout.root}"]
