"""What a guest cannot do to its host: see private files, act as root, leave traps in a share."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from ebpf_overhead.guest.user import unprivileged
from ebpf_overhead.guest.vm import Guest

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="this is about guests that root starts")


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


# What it sees.


def test_private_files_of_the_host_are_not_there(guest):
    # Those that every Debian has, below directories that a guest has of its own.
    places = [place for place in ("/etc/shadow", "/etc/gshadow", "/var/lib/dpkg", "/var/log",
                                  "/boot", "/home") if Path(place).exists()]  # fmt: skip
    assert places
    # A project in a home directory is shown, and nothing beside the way to it.
    the_way = {str(place) for place in (ROOT, *ROOT.parents)}
    script = f"for place in {' '.join(places)}; do [ -e $place ] && ls -d $place/* $place; done"
    found = guest.run(["sh", "-c", script + " 2>/dev/null; true"]).stdout.split()
    assert set(found) <= the_way


def test_no_device_leads_to_more_than_is_mounted(guest):
    # Whatever the guest's kernel does with its devices, these are all.
    script = "cat /sys/bus/virtio/devices/*/mount_tag | tr '\\0' '\\n'"
    tags = set(guest.run(["sh", "-c", script]).stdout.split())
    lines = guest.run(["sh", "-c", "grep ' 9p ' /proc/mounts"]).stdout.splitlines()
    mounted = {line.split()[0] for line in lines}
    assert mounted >= {"shown0", "share"}
    assert tags > mounted
    for tag in tags - mounted:
        place = f"/tmp/{tag}"
        look = f"mkdir -p {place} && mount -t 9p -o trans=virtio {tag} {place} && ls {place}"
        found = guest.run(["sh", "-c", f"{look} && umount {place}"])
        assert (found.exit_status, found.stdout) == (0, ""), tag
    places = {line.split()[1] for line in lines}
    assert places == {*guest.view.directories, str(guest.share)} | {
        place for place in places if "/lib/modules/" in place
    }


def run_command(*arguments, cwd):
    command = [sys.executable, "-m", "ebpf_overhead.cli", "guest", "run", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_current_directory_and_what_is_named_are_shown_and_said(kernel, tmp_path):
    for name in ("here", "shown", "hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    alone = tmp_path / "alone"
    alone.write_text("alone")
    tmp_path.chmod(0o755)
    done = run_command(
        *("--show", "../shown", "--show", str(alone), kernel.release, "--"),
        *("sh", "-c", f"cat file ../shown/file {alone} ../hidden/file"),
        cwd=tmp_path / "here",
    )
    assert done.stdout == "hereshownalone"
    assert "../hidden/file: No such file" in done.stderr
    assert str(tmp_path / "here") in done.stderr
    assert str(tmp_path / "shown") in done.stderr


# What it is.


def test_qemu_has_no_privileges_and_is_confined(guest):
    status = status_of(guest.pid)
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    if os.geteuid() == 0:
        assert set(status["Uid"]) == {str(unprivileged().uid)}
        assert set(status["Gid"]) == {str(unprivileged().gid)}
        assert not status["Groups"]
        assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0


@AS_ROOT
def test_where_the_share_is_roots_it_is_said(kernel, tmp_path):
    done = run_command(
        *("--share", str(tmp_path), kernel.release, "--", "sh", "-c"),
        f"echo out > {tmp_path}/out; mknod {tmp_path}/node c 1 3; cp /bin/sh {tmp_path}/sh;"
        f" chmod 6755 {tmp_path}/sh; true",
        cwd="/",
    )
    assert f"QEMU runs as root: {tmp_path} belongs to root" in done.stderr
    assert (tmp_path / "out").read_text() == "out\n"
    assert no_traps(tmp_path)


@AS_ROOT
def test_share_of_a_user_is_written_as_that_user(kernel, tmp_path):
    os.chown(tmp_path, 1234, 1235)
    with Guest(kernel, share=tmp_path) as guest:
        assert status_of(guest.pid)["Uid"][1] == "1234"
        assert guest.run(["touch", f"{tmp_path}/file"]).exit_status == 0
    assert (tmp_path / "file").stat().st_uid == 1234


# What it leaves.


def no_traps(directory):
    modes = [path.lstat().st_mode for path in directory.rglob("*")]
    return modes and not any(
        mode & (stat.S_ISUID | stat.S_ISGID) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        for mode in modes
    )


def test_no_setuid_file_and_no_device_comes_out_of_a_share(guest):
    script = f"""
        cd {guest.share} || exit 9
        cp /bin/sh shell && chmod 4755 shell
        cp /bin/sh group && chmod g+s group
        install -m 6755 /bin/sh installed
        mkdir -m 2777 directory
        mknod null c 1 3
        mknod disk b 8 0
        python3 -c 'import os; os.open("born", os.O_CREAT | os.O_WRONLY, 0o4755)'
        cp -a /usr/bin/passwd .
        touch usual && chmod 755 usual && mkfifo fifo
        true
    """
    assert guest.run(["sh", "-c", script]).exit_status == 0
    assert no_traps(guest.share)
    assert (guest.share / "usual").stat().st_mode & 0o777 == 0o755


def test_file_capabilities_do_not_come_out_of_a_share(guest):
    code = (
        f"import os; p = '{guest.share}/capable'; open(p, 'w').close();"
        " os.setxattr(p, 'security.capability', bytes.fromhex('0100000200040000' + '00' * 12))"
    )
    done = guest.run([sys.executable, "-c", code])
    assert "OSError" in done.stderr
    assert os.listxattr(guest.share / "capable") == []
