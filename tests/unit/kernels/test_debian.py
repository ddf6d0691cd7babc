import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.debian import choose, flavour_of, kernels
from ebpf_overhead.kernels.offers import Offer

POOL = "http://m.example/debian/pool/main/l"


def offer(name, version, suite="trixie", source="linux-signed-amd64", **fields):
    uri = f"{POOL}/{source}/{name}_{version}_amd64.deb"
    return Offer(name, version, suite, uri, 1000, "ab" * 32, **fields)


def split(release, version, kinds=("binary", "base", "modules")):
    return [
        offer(f"linux-{kind}-{release}", version, built_using=f"linux (= {version})")
        for kind in kinds
    ]


ONE = offer("linux-image-6.1.0-56-amd64", "6.1.192-2", depends="kmod, linux-base (>= 4.3)")
NEWEST_NAME = offer("linux-image-6.1-amd64", "6.1.192-2", depends="linux-image-6.1.0-56-amd64")
CLOUD = offer("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2")
UNSIGNED = offer("linux-image-6.1.0-55-amd64-unsigned", "6.1.190-1")
SPLIT = split("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1")
SPLIT_NAME = offer(
    "linux-image-7.3.4+deb13-amd64", "7.3.4-1~bpo13+1", depends="linux-binary-7.3.4+deb13-amd64"
)
CANDIDATE = split("7.3-amd64", "7.3~rc7-1~exp1")
ORPHAN = split("6.19.14+deb13-amd64", "6.19.14-1~bpo13+1", kinds=["binary"])
EVERYTHING = [ONE, NEWEST_NAME, CLOUD, UNSIGNED, *SPLIT, SPLIT_NAME, *CANDIDATE, *ORPHAN]


def test_kernels_are_put_together_from_both_layouts_in_version_order():
    found = kernels(reversed(EVERYTHING), "amd64")
    assert [kernel.release for kernel in found] == [
        "6.1.0-56-amd64",
        "6.19.14+deb13-amd64",
        "7.3-amd64",
        "7.3.4+deb13-amd64",
    ]
    assert found[0].packages == (ONE,)
    assert set(found[3].packages) == set(SPLIT)
    assert found[3].size_bytes == 3000


def test_newer_package_of_a_release_wins():
    older = offer("linux-image-6.1.0-56-amd64", "6.1.192-1", suite="bookworm")
    (kernel,) = kernels([ONE, older], "amd64")
    assert kernel.version == "6.1.192-2"


def test_packages_no_list_names_any_more():
    kernel = kernels(EVERYTHING, "amd64")[1]
    assert [package.name for package in kernel.delisted] == [
        "linux-base-6.19.14+deb13-amd64",
        "linux-modules-6.19.14+deb13-amd64",
    ]
    assert kernel.delisted[1].uri == (
        f"{POOL}/linux/linux-modules-6.19.14+deb13-amd64_6.19.14-1~bpo13+1_amd64.deb"
    )
    assert kernel.delisted[1].sha256 == ""


def test_a_package_of_another_version_does_not_belong_to_the_kernel():
    other = offer("linux-modules-6.19.14+deb13-amd64", "6.19.14-2")
    (kernel,) = kernels([*ORPHAN, other], "amd64")
    assert [package.name for package in kernel.packages] == ["linux-binary-6.19.14+deb13-amd64"]


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("6.1", "6.1.0-56-amd64"),
        ("6.1.192", "6.1.0-56-amd64"),
        ("6.1.0-56-amd64", "6.1.0-56-amd64"),
        ("7.3", "7.3.4+deb13-amd64"),
        ("7.3-rc7", "7.3-amd64"),
        ("7.3-amd64", "7.3-amd64"),
    ],
)
def test_choose(wanted, release):
    assert choose(kernels(EVERYTHING, "amd64"), wanted, delisted=False).release == release


def test_a_delisted_kernel_is_taken_only_when_asked_for():
    offered = kernels(EVERYTHING, "amd64")
    with pytest.raises(BadUseError, match=r"no longer name linux-base-6\.19.*--delisted"):
        choose(offered, "6.19", delisted=False)
    assert choose(offered, "6.19", delisted=True).release == "6.19.14+deb13-amd64"


def test_a_complete_kernel_goes_before_a_newer_delisted_one():
    older = split("6.19.8+deb13-amd64", "6.19.8-1~bpo13+1")
    offered = kernels([*ORPHAN, *older], "amd64")
    assert choose(offered, "6.19", delisted=True).release == "6.19.8+deb13-amd64"


def test_unknown_kernel_names_the_series_there_are():
    with pytest.raises(BadUseError, match=r"no kernel '4\.19'; its series: 6\.1, 6\.19, 7\.3"):
        choose(kernels(EVERYTHING, "amd64"), "4.19", delisted=False)


@pytest.mark.parametrize(
    ("release", "flavour"),
    [
        ("6.1.0-56-amd64", ""),
        ("6.1.0-0.deb11.52-amd64", ""),
        ("6.17-rc3-amd64", ""),
        ("6.1.0-56-cloud-amd64", "cloud"),
        ("6.12.117+deb13-rt-amd64", "rt"),
        ("6.12.117+deb13-arm64", None),
    ],
)
def test_flavour(release, flavour):
    assert flavour_of(release, "amd64") == flavour


def test_other_flavour():
    assert [k.release for k in kernels(EVERYTHING, "amd64", "cloud")] == ["6.1.0-56-cloud-amd64"]


def test_stable_is_the_newest_kernel_of_the_stable_release_without_backports():
    everything = [
        offer("linux-image-6.1.0-56-amd64", "6.1.192-2", suite="bookworm"),
        offer("linux-image-6.12.107+deb13-amd64", "6.12.107-1", suite="trixie"),
        offer("linux-image-6.12.118+deb13-amd64", "6.12.118-1", suite="trixie-security"),
        offer("linux-image-7.2.3+deb13-amd64", "7.2.3-1~bpo13+1", suite="trixie-backports"),
    ]
    assert choose(kernels(everything, "amd64"), "stable", False).release == "6.12.118+deb13-amd64"


@pytest.mark.parametrize("delisted", [False, True])
def test_newest_is_the_newest_complete_kernel_of_all(delisted):
    gone = split("7.4.1+deb13-amd64", "7.4.1-1~bpo13+1", kinds=["binary"])
    offered = kernels([*gone, *EVERYTHING], "amd64")
    assert choose(offered, "newest", delisted).release == "7.3.4+deb13-amd64"


def test_newest_of_a_mirror_without_kernels():
    with pytest.raises(BadUseError, match="no kernel 'newest'"):
        choose([], "newest", delisted=False)
