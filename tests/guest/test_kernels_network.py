"""Real kernels from the Debian mirror of this machine; needs the network and about 500 MB."""

import os
import re
import shutil
import socket
from urllib.parse import urlsplit

import pytest
from kernels_fakes import Silent

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.kernels import kconfig, offers, upkeep
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.catalogue import find
from ebpf_overhead.kernels.debian import kernels
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.mirror import DebianArchive, find_mirror

# What a guest needs on some kernel or other, by the name modprobe knows.
NEEDED = "9p 9pnet_virtio virtio_pci virtio_console virtio_blk virtio_rng overlay virtiofs ext4"
# One package; one package under usr/; split.  And what is as good, where a mirror has dropped it.
SERIES = {"5.10": "6.1", "6.12": "stable", "7.3": "newest"}


@pytest.fixture(scope="module")
def apt(tmp_path_factory):
    """The machine's own mirror, or a reason why it cannot be used."""
    must = os.environ.get("EBPF_OVERHEAD_TEST_GUEST") == "1"
    try:
        mirror = find_mirror(None, None)
        address = urlsplit(mirror.main.uri)
        socket.create_connection((address.hostname, address.port or 80), timeout=10).close()
    except (OverheadError, OSError) as error:
        if must:
            raise
        pytest.skip(f"no mirror: {error}; EBPF_OVERHEAD_TEST_GUEST=1 makes this a failure")
    archive = DebianArchive(mirror, offers.SUITES, "amd64", allow_expired=True)
    return PrivateApt(tmp_path_factory.mktemp("apt"), archive)


@pytest.fixture(scope="module")
def offered(apt):
    """The kernels that the mirror has, complete ones."""
    found = kernels(offers.read_offers(apt, False, Silent()), "amd64")
    return [kernel for kernel in found if not kernel.delisted]


@pytest.fixture(scope="module")
def wanted(offered):
    """What to add for each of the series."""
    there = {kernel.series for kernel in offered}
    return {series: series if series in there else other for series, other in SERIES.items()}


@pytest.fixture(scope="module")
def layout(apt, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    yield Layout(folder, folder / "history")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def added(apt, layout, wanted):
    """The kernel that was added for each of the series."""
    releases = Adder(layout, lambda: apt, Choices(), Silent()).add(list(wanted.values()))
    return {series: find(each, layout) for series, each in zip(SERIES, releases, strict=True)}


@pytest.mark.parametrize("series", SERIES)
def test_a_kernel_is_complete(layout, added, wanted, offered, series):
    kernel = added[series]
    series_wanted = {"stable": kernel.record.series, "newest": offered[-1].series}
    assert kernel.record.series == series_wanted.get(wanted[series], wanted[series])
    assert kernel.record.built_at_s
    assert kernel.record.features["btf"] == "y"
    assert kernel.record.features["kprobe_events"] == "y"
    assert upkeep.verify(layout, kernel) == []


@pytest.mark.parametrize("series", SERIES)
def test_what_a_guest_needs_is_there_with_everything_it_needs(added, series):
    kernel = added[series]
    folder = kernel.modules / "lib" / "modules" / kernel.release
    builtin = {_name(line) for line in (folder / "modules.builtin").read_text().splitlines()}
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[_name(path)] = [path, *rest.split()]
    for name in NEEDED.split():
        assert name in builtin or name in needs, name
        for path in needs.get(name, []):
            assert (folder / path).is_file(), path


def _name(path):
    return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")


def test_symbols_of_kept_modules_are_in_kept_modules(added):
    """`depends=` of each module needed above, as built, names only modules that are kept."""
    kernel = added["5.10"]  # Its modules are not compressed.
    folder = kernel.modules / "lib" / "modules" / kernel.release
    kept = {_name(str(path)): path for path in folder.rglob("*.ko")}
    todo, seen = [name for name in NEEDED.split() if name in kept], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        depends = re.search(rb"depends=([^\0]*)\0", kept[name].read_bytes())[1].decode()
        for other in filter(None, depends.replace("-", "_").split(",")):
            assert other in kept, f"{name} needs {other}"
            todo += [other] if other not in seen else []
    assert {"9p", "9pnet", "9pnet_virtio", "virtio_ring"} <= seen


def test_every_feature_is_an_option_of_some_kernel(added):
    """A misspelt option would read as not set for ever."""
    text = "".join(kernel.config_text() for kernel in added.values())
    known = set(re.findall(r"CONFIG_\w+", text))
    unknown = [name for name, options in kconfig.FEATURES.items() if not set(options) & known]
    assert unknown == []


def test_the_mirror_offers_the_series_of_the_history(apt):
    everything = kernels(offers.read_offers(apt, False, Silent()), "amd64")
    assert {"6.1", "6.12"} <= {kernel.series for kernel in everything}
    assert all(kernel.packages[0].sha256 for kernel in everything)
