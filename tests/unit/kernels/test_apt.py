"""Fetching from a signed mirror, with the real apt: what it checks, keeps and leaves behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kernels_fakes import Silent, kernel_files
from kernels_mirror_fakes import Mirror, SigningKey

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import apt as apt_module
from ebpf_overhead.kernels import store
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.catalogue import damaged, find, installed
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.mirror import AptSource, DebianArchive
from ebpf_overhead.kernels.mirror import Mirror as MirrorAddress

_TOOLS = ("apt-get", "dpkg-deb", "gpg", "gpgconf")
_MISSING = [tool for tool in _TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")

OLD, NEW = "6.1.0-55-amd64", "6.1.0-56-amd64"
SPLIT = "7.3.4+deb13-amd64"


def one_package(release, version, padding=0):
    files = kernel_files(release, version)
    files[f"lib/modules/{release}/kernel/net/padding.ko"] = os.urandom(padding)
    return (f"linux-image-{release}", version, files, {"AptSource": "linux-signed-amd64 (1)"})


def split_packages(release, version):
    files = kernel_files(release, version, usr="usr/")
    image = {name: data for name, data in files.items() if "vmlinuz" in name}
    config = {name: data for name, data in files.items() if "config" in name}
    rest = {name: data for name, data in files.items() if name not in {**image, **config}}
    return [
        (f"linux-binary-{release}", version, image, {"Built_Using": f"linux (= {version})"}),
        (f"linux-base-{release}", version, config, {"_pool": "linux"}),
        (f"linux-modules-{release}", version, rest, {"_pool": "linux"}),
    ]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    key = SigningKey(tmp_path_factory.mktemp("k"))
    yield key
    key.close()


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """A proxy of this machine does not know this machine's own server."""
    monkeypatch.setattr(apt_module, "_system_network_options", list)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mirror(tmp_path, key):
    folder = tmp_path / "mirror"
    folder.mkdir()
    mirror = Mirror(folder, key)
    mirror.put("trixie", [one_package(OLD, "6.1.190-1"), one_package(NEW, "6.1.192-2")])
    mirror.put("sid", split_packages(SPLIT, "7.3.4-1"))
    yield mirror
    mirror.close()


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "data", tmp_path / "history")


class Notes(Silent):
    def __init__(self):
        self.notes = []
        self.steps = []

    def note(self, text):
        self.notes.append(text)

    def progress(self, label, done_bytes, total_bytes):
        self.steps.append((label, done_bytes, total_bytes))


def adder(layout, mirror, reporter=None, allow_expired=False, keyring=None, **choices):
    main = AptSource(mirror.uri, (), ("main",), str(keyring or mirror.key.keyring))
    archive = DebianArchive(MirrorAddress(main, None), ("trixie", "sid"), "amd64", allow_expired)
    return Adder(
        layout, lambda: PrivateApt(layout.apt, archive), Choices(**choices), reporter or Silent()
    )


def test_series_and_releases_of_both_layouts(layout, mirror):
    notes = Notes()
    assert adder(layout, mirror, notes).add(["7.3", "6.1", OLD]) == [SPLIT, NEW, OLD]
    assert [kernel.release for kernel in installed(layout)] == [OLD, NEW, SPLIT]
    assert store.read_origin(find("6.1", layout).directory).trust == "signed lists"
    fetching = [step for step in notes.steps if step[0] == f"fetching linux-image-{NEW}"]
    assert fetching[-1][1] == fetching[-1][2] > 0
    assert not list(layout.packages.glob("*.part*"))


def test_lists_and_packages_are_fetched_once(layout, mirror):
    adder(layout, mirror).add(["6.1"])
    adder(layout, mirror).add(["6.1"])
    assert len(mirror.fetched("InRelease")) == 2  # One a suite.
    assert len(mirror.fetched(".deb")) == 1
    shutil.rmtree(layout.kernels)
    adder(layout, mirror, refresh=True).add(["6.1"])
    assert len(mirror.fetched("InRelease")) == 4
    assert len(mirror.fetched(".deb")) == 1  # From the cache, checked again.


@pytest.mark.parametrize(
    "spoil",
    [
        lambda saved: saved.write_text(saved.read_text()[:100]),
        lambda saved: saved.write_text('{"problems": 1}'),
        lambda saved: os.utime(saved, (2 * time.time(), 2 * time.time())),
    ],
    ids=["truncated", "foreign", "of the future"],
)
def test_saved_lists_that_are_no_good_are_fetched_anew(layout, mirror, spoil):
    adder(layout, mirror).add(["6.1"])
    (saved,) = layout.apt.rglob("kernels.json")
    spoil(saved)
    adder(layout, mirror).add(["6.1"])
    assert len(mirror.fetched("InRelease")) == 4  # One a suite, twice.


def test_a_damaged_package_in_the_cache_is_fetched_anew(layout, mirror):
    adder(layout, mirror).add(["6.1"])
    (cached,) = layout.packages.iterdir()
    cached.write_bytes(b"x" + cached.read_bytes()[1:])
    shutil.rmtree(layout.kernels)
    adder(layout, mirror).add(["6.1"])
    assert len(mirror.fetched(".deb")) == 2


def test_all_modules_later(layout, mirror):
    adder(layout, mirror).add(["6.1"])
    gpu = f"lib/modules/{NEW}/kernel/drivers/gpu/gpu.ko"
    assert not (find("6.1", layout).directory / gpu).exists()
    adder(layout, mirror, all_modules=True).add(["6.1"])
    assert (find("6.1", layout).directory / gpu).exists()


def test_unknown_kernel_is_found_out_before_anything_is_fetched(layout, mirror):
    with pytest.raises(BadUseError, match=r"no kernel '5\.10'; its series: 6\.1, 7\.3"):
        adder(layout, mirror).add(["6.1", "5.10"])
    assert mirror.fetched(".deb") == []
    assert installed(layout) == []


def test_lists_signed_by_somebody_else_are_refused(layout, mirror, tmp_path):
    (tmp_path / "s").mkdir()
    stranger = SigningKey(tmp_path / "s")
    try:
        mirror.put("trixie", [one_package(NEW, "6.1.192-2")], key=stranger)
        notes = Notes()
        with pytest.raises(BadUseError, match=r"no kernel '6\.1'; its series: 7\.3"):
            adder(layout, mirror, notes).add(["6.1"])
        assert any("NO_PUBKEY" in note or "couldn't be verified" in note for note in notes.notes)
        with pytest.raises(FailedError, match="no kernel in any list"):
            adder(layout, mirror, keyring=_empty_keyring(tmp_path)).add(["6.1"])
    finally:
        stranger.close()
    assert mirror.fetched(".deb") == []


def _empty_keyring(folder):
    path = folder / "empty.gpg"
    path.touch()
    return path


def test_a_list_changed_after_signing_is_refused(layout, mirror):
    packages = mirror.folder / "dists/trixie/main/binary-amd64/Packages"
    packages.write_text(packages.read_text().replace("6.1.192-2", "6.1.193-2"))
    notes = Notes()
    with pytest.raises(BadUseError, match=r"no kernel '6\.1'"):
        adder(layout, mirror, notes).add(["6.1"])
    assert notes.notes


def test_expired_lists_need_the_option_and_stay_unseen_without_it(layout, mirror):
    mirror.put("sid", [], valid_days=-3)
    mirror.put("sid", split_packages("7.2.1-amd64", "7.2.1-1"), valid_days=-3)
    notes = Notes()
    with pytest.raises(BadUseError, match=r"no kernel '7\.2'; its series: 6\.1"):
        adder(layout, mirror, notes).add(["7.2"])
    said = [note for note in notes.notes if "--allow-expired-lists" in note]
    assert len(said) == 1
    assert "dists/sid/InRelease: past its validity date for 3d" in said[0]
    assert adder(layout, mirror, allow_expired=True).add(["7.2"]) == ["7.2.1-amd64"]
    trust = store.read_origin(find("7.2", layout).directory).trust
    assert trust == "signed lists whose validity dates were not checked"
    # Once accepted with the option is not accepted for ever.
    with pytest.raises(BadUseError, match=r"no kernel '7\.2'"):
        adder(layout, mirror).add(["7.2"])


def test_a_switched_off_check_of_the_systems_apt_is_not_taken_over(monkeypatch):
    monkeypatch.undo()
    dump = (
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::AllowInsecureRepositories "true";\n'
        'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/*.bin";\n'
        'Acquire::Retries "3";\n'
    )
    done = subprocess.CompletedProcess([], 0, dump, "")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)
    assert apt_module._system_network_options() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::Retries "3";',
    ]


def test_a_package_that_differs_from_the_signed_list_is_refused(layout, mirror):
    (deb,) = mirror.folder.rglob(f"linux-image-{NEW}*.deb")
    deb.write_bytes(b"x" + deb.read_bytes()[1:])
    with pytest.raises(FailedError, match=r"linux-image-6\.1\.0-56.*Hash Sum mismatch"):
        adder(layout, mirror).add(["6.1"])
    assert list(layout.packages.iterdir()) == []
    assert installed(layout) == []


def test_a_package_that_is_gone(layout, mirror):
    (deb,) = mirror.folder.rglob(f"linux-image-{NEW}*.deb")
    deb.unlink()
    with pytest.raises(FailedError, match=r"_amd64\.deb: 404 File not found"):
        adder(layout, mirror).add(["6.1"])


def test_a_delisted_kernel_whose_modules_are_not_signed_is_refused(layout, mirror):
    mirror.put("sid", split_packages(SPLIT, "7.3.4-1"))
    packages = mirror.folder / "dists/sid/main/binary-amd64/Packages"
    stanzas = packages.read_text().split("\n\n")
    assert len(stanzas) == 3
    mirror.put("sid", split_packages(SPLIT, "7.3.4-1")[:1])
    with pytest.raises(BadUseError, match=r"no longer name .*linux-modules-.*--delisted"):
        adder(layout, mirror, refresh=True).add(["7.3"])
    with pytest.raises(FailedError, match="no module signing key"):
        adder(layout, mirror, delisted=True).add(["7.3"])
    assert mirror.fetched("pool/main/l/linux/linux-modules-7.3.4%2bdeb13-amd64_7.3.4-1_amd64.deb")
    assert installed(layout) == []


# What a user interrupts: the same as the command, told where its mirror is.
_INTERRUPTED = """
import _strptime, backports.zstd, debian.debian_support, debian.deb822, msgspec, signal, sys
from pathlib import Path
sys.path[:0] = ["tests", "tests/unit/kernels"]
import test_apt as t
t.apt_module._system_network_options = list
class M: uri, key = sys.argv[2], type("K", (), {"keyring": sys.argv[3]})
layout = t.Layout(Path(sys.argv[1]) / "data", Path(sys.argv[1]) / "history")
t.adder(layout, M).add(["6.12"])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_is_restarted_cleanly(layout, mirror, tmp_path, how):
    release = "6.12.1-amd64"
    mirror.put("trixie", [one_package(release, "6.12.1-1", padding=400_000)])
    mirror.bytes_a_second = 100_000
    arguments = [str(tmp_path), mirror.uri, str(mirror.key.keyring)]
    process = subprocess.Popen([sys.executable, "-c", _INTERRUPTED, *arguments])
    _wait_for(lambda: any(p.stat().st_size for p in layout.packages.glob("*.part")), process)
    process.send_signal(how)
    assert process.wait(timeout=20) != 0
    assert not list(layout.packages.glob("*.deb"))
    assert installed(layout) == []
    assert _downloads(tmp_path) == []
    if how == signal.SIGINT:
        assert list(layout.packages.iterdir()) == []
    mirror.bytes_a_second = 0
    assert adder(layout, mirror).add(["6.12"]) == [release]
    assert [path.suffix for path in layout.packages.iterdir()] == [".deb"]


def _downloads(folder):
    """Processes that still fetch something into a folder, a second after all should be gone."""
    time.sleep(1)
    found = subprocess.run(["pgrep", "-f", f"download-file.*{folder}"], capture_output=True)
    return found.stdout.split()


def _wait_for(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "ended before it fetched anything"
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nothing_of_the_systems_apt_changes(layout, mirror):
    before = _system_state()
    adder(layout, mirror).add(["6.1", "7.3"])
    assert _system_state() == before


def _system_state():
    """Names and times of apt's own directories; package indexes and archives included."""
    places = ("/var/lib/apt/lists", "/var/cache/apt", "/etc/apt")
    found = {}
    for place in places:
        for path in sorted(Path(place).rglob("*")):
            if path.name != "lock":
                status = path.lstat()
                found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_no_root_is_needed(mirror, key):
    # Below /tmp: pytest's own directories are closed to other users.
    home = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        keyring = shutil.copy(key.keyring, home / "key.gpg")
        for path in (home, home / "key.gpg"):
            os.chown(path, 65534, 65534)
        # After the imports: the interpreter itself may be in a directory of root's.
        drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\nt.adder"
        script = _INTERRUPTED.replace("t.adder", drop).replace('"6.12"', '"6.1"')
        command = [sys.executable, "-c", script, str(home), mirror.uri, str(keyring)]
        env = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        layout = Layout(home / "data", home / "history")
        assert (layout.kernels / NEW / "vmlinuz").stat().st_uid == 65534
        assert list(damaged(layout)) == [NEW]  # Another user's, to this one.
    finally:
        shutil.rmtree(home)
