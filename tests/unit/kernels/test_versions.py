import shutil
import subprocess
from itertools import combinations

import pytest

from ebpf_overhead.architectures import AARCH64, X86_64
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.versions import (
    check_release,
    is_named,
    is_of,
    looks_like_version,
    package_version,
    series,
    short_name,
    split_architecture,
    upstream,
    version_key,
)

IN_ORDER = [
    "5.10.0-32-amd64",
    "5.10.262-1",
    "6.1-rc3",
    "6.1~rc7-1~exp1",
    "6.1",
    "6.1.9",
    "6.1.10",
    "6.1.192-2~bpo11+1",
    "6.1.192-2",
    "6.1.192-10",
    "6.12.107+deb12-amd64",
    "6.12.107+deb13-amd64",
    "6.12.107+deb13.1-amd64",
    "6.12.117-1~bpo12+1",
    "6.12.117-1~deb12u1",
    "6.12.117-1",
    "7.0.13+deb13-amd64",
    "7.3-rc7-amd64",
    "7.3.4-1~bpo13+1",
]


def test_versions_are_in_order():
    backwards = IN_ORDER[::-1]
    assert sorted(backwards, key=version_key) == IN_ORDER
    assert len({version_key(version) for version in IN_ORDER}) == len(IN_ORDER)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
def test_package_versions_are_in_the_order_of_dpkg():
    versions = [
        "6.1.192-2~bpo11+1",
        "6.1.192-2",
        "6.1.192-10",
        "6.1.192-2+b1",
        "6.12.117-1~bpo12+1",
        "6.12.117-1~deb12u1",
        "6.12.117-1",
        "6.12.117-1a",
        "6.12.117-1.1",
        "6.12.117+dfsg-1",
    ]
    for left, right in combinations(versions, 2):
        command = ["dpkg", "--compare-versions", left, "lt", right]
        dpkg_says_less = subprocess.run(command, check=False).returncode == 0
        assert (version_key(left) < version_key(right)) == dpkg_says_less, (left, right)


def test_upstream_and_series():
    assert upstream("6.12.117-1~bpo12+1") == "6.12.117"
    assert upstream("7.3~rc7-1~exp1") == "7.3-rc7"
    assert series("7.3~rc7-1~exp1") == "7.3"
    assert series("5.10.0-46-amd64") == "5.10"


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("6.12.117-1", "6.12", True),
        ("6.12.117-1", "6.1", False),
        ("6.1.12-1", "6.12", False),
        ("6.12.117-1", "6.12.117", True),
        ("6.12.117-1", "6.12.11", False),
        ("7.3~rc7-1", "7.3", True),
        ("7.3~rc7-1", "7.3-rc7", True),
        ("7.3.4-1", "7.3-rc7", False),
    ],
)
def test_is_of(version, wanted, expected):
    assert is_of(version, wanted) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("6.1.192-2", "6.1.192-2"),
        ("1:6.1.192-2", "6.1.192-2"),
        ("1", "6.1.0-56-amd64"),
        ("1.0-custom", "6.1.0-56-amd64"),
    ],
)
def test_package_version(version, expected):
    assert package_version("6.1.0-56-amd64", version) == expected


def test_looks_like_version():
    assert looks_like_version("6.12")
    assert looks_like_version("6.12.107+deb13-amd64")
    assert not looks_like_version("vmlinuz")
    assert not looks_like_version("6")
    assert not looks_like_version("6.12/../../etc")


@pytest.mark.parametrize("release", ["", "../6.1", "6.1..2", "6.1/x", "6.1~x", "6.1.lock", "6.1 x"])
def test_release_that_cannot_be_a_tag_is_refused(release):
    with pytest.raises(BadUseError, match="cannot be a directory and a git tag"):
        check_release(release)


def test_not_a_version():
    with pytest.raises(BadUseError, match="'linux' is no kernel version"):
        version_key("linux")


def test_length_is_bounded():
    endless = "6." + "1" * 5000
    for read in (version_key, series, upstream):
        with pytest.raises(BadUseError, match=r"'6\.1+… \(5002 characters\)' is no kernel version"):
            read(endless)
    assert not looks_like_version(endless)
    assert package_version("6.1.0-1-amd64", endless) == "6.1.0-1-amd64"
    with pytest.raises(BadUseError, match=r"5002 characters"):
        check_release(endless)


@pytest.mark.parametrize(
    ("wanted", "name", "architecture"),
    [
        ("6.12", "6.12", None),
        ("6.12-arm64", "6.12", AARCH64),
        ("7.3~rc7-arm64", "7.3~rc7", AARCH64),
        ("6.12.118-amd64", "6.12.118", X86_64),
        ("newest-arm64", "newest", AARCH64),
        # A release of Debian's is a name by itself.
        ("6.12.118+deb13-arm64", "6.12.118+deb13-arm64", AARCH64),
        ("6.1.0-56-amd64", "6.1.0-56-amd64", X86_64),
        ("running", "running", None),
    ],
)
def test_name_with_an_architecture(wanted, name, architecture):
    assert split_architecture(wanted) == (name, architecture)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_name_without_an_architecture_means_this_machines(machine, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: machine)
    kernels = [
        (f"6.12.118+deb13-{each.debian}", "6.12.118-1", each.name) for each in (X86_64, AARCH64)
    ]
    for wanted in ("6.12", "6.12.118"):
        assert [each[2] for each in kernels if is_named(*each, wanted)] == [machine]
    for architecture in (X86_64, AARCH64):
        for wanted in (f"6.12-{architecture.debian}", f"6.12.118+deb13-{architecture.debian}"):
            found = [each[2] for each in kernels if is_named(*each, wanted)]
            assert found == [architecture.name]
    assert short_name("6.12", machine) == "6.12"
    assert short_name("6.12", "aarch64") == ("6.12" if machine == "aarch64" else "6.12-arm64")
