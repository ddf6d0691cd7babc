import json
import os
import shutil

import pytest
from click.testing import CliRunner
from kernels_fakes import kernel_files, make_deb
from kernels_mirror_fakes import Mirror, SigningKey

from ebpf_overhead.cli.kernels import command
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels import apt
from ebpf_overhead.kernels.history import History

RELEASE = "6.12.117+deb13-amd64"
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")
needs_gpg = pytest.mark.skipif(
    None in (shutil.which("apt-get"), shutil.which("gpg")), reason="apt or gpg is not installed"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on a data directory of its own; errors come through as they are."""
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("EBPF_OVERHEAD_HISTORY", raising=False)

    def run(*arguments, status=0):
        result = CliRunner().invoke(command, [str(one) for one in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result.stdout

    return run


@pytest.fixture
def deb(tmp_path):
    files = kernel_files(RELEASE, "6.12.117-1", "2026-11-12")
    return make_deb(tmp_path, f"linux-image-{RELEASE}", "6.12.117-1", files)


def test_empty_catalogue(run):
    assert "no kernels in " in run("list")
    assert json.loads(run("list", "--json")) == []


@needs_dpkg
def test_add_list_verify_remove(run, deb, tmp_path):
    assert RELEASE in run("add", deb)
    line = next(line for line in run("list").splitlines() if RELEASE in line)
    cells = line.split()
    assert cells == [RELEASE, "6.12.117-1", "x86_64", "debian", "2026-11-12", "y", "y", "n", "n"]
    assert run("verify") == f"{RELEASE}: as added\n"
    (tmp_path / "data/kernels" / RELEASE / "vmlinuz").write_bytes(b"")
    assert "vmlinuz changed" in run("verify", "6.12", status=1)
    assert "vmlinuz changed" in json.loads(run("verify", "--json", status=1))[RELEASE][0]
    assert "its results are kept" in run("remove", "6.12")
    assert json.loads(run("list", "--json")) == []
    with pytest.raises(BadUseError, match="no kernel"):
        run("remove", "6.12")


@needs_dpkg
def test_list_as_json(run, deb, tmp_path):
    run("--history", tmp_path / "elsewhere", "add", deb)
    (kernel,) = json.loads(run("--history", tmp_path / "elsewhere", "list", "--json"))
    assert kernel["release"] == RELEASE
    assert kernel["commit"] == History(tmp_path / "elsewhere").hashes()[RELEASE]
    assert kernel["image"].endswith(f"/kernels/{RELEASE}/vmlinuz")
    assert kernel["origin"]["trust"] == "the user's files"
    assert kernel["features"]["btf"] == "y"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    monkeypatch.setattr(apt, "_system_network_options", list)
    key = SigningKey(tmp_path)
    folder = tmp_path / "mirror"
    folder.mkdir()
    mirror = Mirror(folder, key)
    packages = [
        (f"linux-image-{release}", version, kernel_files(release, version), {})
        for release, version in (
            ("6.12.116+deb13-amd64", "6.12.116-1"),
            (RELEASE, "6.12.117-1"),
            ("6.1.0-56-amd64", "6.1.192-2"),
            ("6.1.0-56-cloud-amd64", "6.1.192-2"),
        )
    ]
    packages.append(("linux-binary-6.19.14-amd64", "6.19.14-1", {}, {}))
    mirror.put("trixie", packages)
    yield mirror
    mirror.close()
    key.close()


@needs_dpkg
@needs_gpg
def test_available_and_add_from_a_mirror(run, mirror):
    where = ["--mirror", mirror.uri, "--keyring", mirror.key.keyring, "--suite", "trixie"]
    where += ["--arch", "amd64"]
    newest = json.loads(run("available", "--json", *where))
    assert [(k["series"], k["release"]) for k in newest] == [
        ("6.1", "6.1.0-56-amd64"),
        ("6.12", RELEASE),
        ("6.19", "6.19.14-amd64"),
    ]
    every = json.loads(run("available", "--all", "--json", "6.12", *where))
    assert [k["release"] for k in every] == ["6.12.116+deb13-amd64", RELEASE]
    cloud = json.loads(run("available", "--flavour", "cloud", "--json", *where))
    assert [k["release"] for k in cloud] == ["6.1.0-56-cloud-amd64"]
    run("add", "6.12", *where)
    assert run("add", "--quiet", "newest", *where) == f"{RELEASE}\n"
    rows = [line for line in run("available", *where).splitlines() if "trixie" in line]
    assert ["yes" in row for row in rows] == [False, True, False]
    assert "--delisted" in rows[2]


@pytest.mark.parametrize("name", ["", "list", "available", "add", "remove", "verify"])
def test_every_help_has_an_example(run, name):
    text = run(*filter(None, [name]), "--help")
    assert "Example:\n" in text
    assert f"ebpf-overhead kernels {name}" in text


def test_the_example_of_the_group_is_laid_out_as_written(run):
    assert "\n    ebpf-overhead kernels add 6.1 6.12 7.3\n" in run("--help")


@pytest.mark.parametrize("arguments", [["list"], ["add", "running"], ["verify"], ["remove", "6.1"]])
def test_a_data_directory_that_another_user_could_have_filled_is_refused(run, tmp_path, arguments):
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    with pytest.raises(BadUseError, match=r"is not used: everybody can write to .*data; chmod"):
        run(*arguments)


def test_markup_and_escapes_are_shown_and_not_obeyed(run, tmp_path):
    run("add", "running")
    (directory,) = (tmp_path / "data/kernels").iterdir()
    values = json.loads((directory / "kernel.json").read_text())
    values["features"]["btf"], values["arch"] = "[/nope]", "a\x1b[2Jb"
    (directory / "kernel.json").write_text(json.dumps(values))
    shown = run("list")
    assert "[/nope]" in shown
    assert "a\\u001b[2Jb" in shown
    assert "\x1b[2J" not in shown


def test_a_damaged_kernel_is_told_and_the_others_listed(run, tmp_path, capfd):
    run("add", "running")
    (tmp_path / "data/kernels/6.1.1").mkdir()
    for arguments in (["list"], ["list", "--json"]):
        assert os.uname().release in run(*arguments)
    assert "6.1.1" in run("verify", status=1)
    assert "removed 6.1.1; " in run("remove", "6.1.1")
    assert "as added" in run("verify")
