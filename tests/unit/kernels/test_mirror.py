from pathlib import Path

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.mirror import AptSource, DebianArchive, Mirror, find_mirror, read_sources

LIST = """\
# deb http://commented.example/debian bookworm main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/debian.gpg] http://one.example/debian bookworm main contrib # x
deb http://one.example/debian-security bookworm-security main
deb https://packages.example/apt cloud-sdk-bookworm main
"""
DEB822 = """\
# a comment in front
Types: deb deb-src
URIs: http://two.example/debian
Suites: trixie
 trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://two.example/debian-security http://spare.example/debian-security
Suites: trixie-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: sid
Components: main
"""


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_one_line_form(etc):
    (etc / "sources.list").write_text(LIST)
    first, security, other = read_sources(etc)
    assert first == AptSource(
        "http://one.example/debian", ("bookworm",), ("main", "contrib"), "/keys/debian.gpg"
    )
    assert first.is_debian
    assert not first.is_security
    assert security.is_security
    assert not other.is_debian


def test_deb822_form(etc):
    (etc / "sources.list.d" / "debian.sources").write_text(DEB822)
    main, security, spare = read_sources(etc)
    assert main.suites == ("trixie", "trixie-updates")
    assert "-----BEGIN PGP" in main.signed_by
    assert main.signed_by.endswith("-----END PGP PUBLIC KEY BLOCK-----")
    assert (security.uri, spare.uri) == (
        "http://two.example/debian-security",
        "http://spare.example/debian-security",
    )


def test_the_first_debian_source_is_the_mirror(etc):
    (etc / "sources.list").write_text(LIST)
    (etc / "sources.list.d" / "debian.sources").write_text(DEB822)
    mirror = find_mirror(None, None, etc)
    assert mirror.main.uri == "http://one.example/debian"
    assert mirror.security.uri == "http://one.example/debian-security"


def test_own_mirror_is_checked_with_the_keys_the_machine_uses_for_debian(etc):
    (etc / "sources.list").write_text(LIST)
    mirror = find_mirror("http://mine.example/debian", None, etc)
    assert mirror.main.uri == "http://mine.example/debian"
    assert mirror.main.signed_by == "/keys/debian.gpg"
    keyed = find_mirror("http://mine.example/debian", Path("/my/key.gpg"), etc)
    assert keyed.main.signed_by == "/my/key.gpg"


def test_a_machine_that_is_not_debian(etc):
    (etc / "sources.list").write_text("deb http://u.example/ubuntu noble main universe\n")
    with pytest.raises(BadUseError, match=r"no source of Debian packages in .*--mirror"):
        find_mirror(None, None, etc)
    assert find_mirror("http://mine.example/debian", None, etc).security is None


def test_sources_for_the_private_apt():
    main = AptSource("http://m.example/debian", ("trixie",), ("main",), "/k.gpg")
    security = AptSource(
        "http://m.example/debian-security", ("trixie-security",), ("main",), "/k.gpg"
    )
    mirror = Mirror(main, security)
    text = DebianArchive(mirror, ("sid", "trixie-security"), "arm64").sources()
    assert text == (
        "Types: deb\nURIs: http://m.example/debian\nSuites: sid\nComponents: main\n"
        "Architectures: arm64\nSigned-By: /k.gpg\n\n"
        "Types: deb\nURIs: http://m.example/debian-security\nSuites: trixie-security\n"
        "Components: main\nArchitectures: arm64\nSigned-By: /k.gpg\n"
    )
    strict = DebianArchive(mirror, ("sid",), "amd64")
    lenient = DebianArchive(mirror, ("sid",), "amd64", allow_expired=True)
    assert "Check-Valid-Until" not in strict.sources()
    assert "Check-Valid-Until: no\n" in lenient.sources()
    # Lists accepted past their date are never seen by the strict one.
    assert strict.key != lenient.key
