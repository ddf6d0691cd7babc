"""What a confined process may not do, whoever it is and whatever directory it has."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys

import pytest

from ebpf_overhead.architectures import ARCHITECTURES
from ebpf_overhead.guest.confinement import Confinement, program

# Tries each expression and prints the error number of each, or 0.
TRY = """
import ctypes, json, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(*arguments):
    if libc.syscall(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "")

os.umask(0)
open("file", "w").close()
results = []
for attempt in json.loads(sys.argv[1]):
    try:
        exec(attempt)
        results.append(0)
    except OSError as error:
        results.append(error.errno)
print(json.dumps(results))
"""


def outcomes(directory, *attempts, confined=True):
    done = subprocess.run(
        [sys.executable, "-c", TRY, json.dumps(attempts)],
        cwd=directory,
        preexec_fn=Confinement(lambda: None) if confined else None,
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


SETID = [
    "os.chmod('file', 0o4755)",
    "os.chmod('file', 0o2755)",
    "os.chmod('file', 0o6000)",
    "os.fchmod(os.open('file', os.O_RDONLY), 0o4755)",
    "call(268, os.open('.', os.O_RDONLY), b'file', 0o4755)",  # fchmodat
    "os.open('new', os.O_CREAT | os.O_WRONLY, 0o4755)",
    "call(2, b'new2', os.O_CREAT | os.O_WRONLY, 0o4755)",  # open
    "call(85, b'new3', 0o4755)",  # creat
    "os.mkdir('d', 0o2755)",
    "os.mkdir('d', 0o2755, dir_fd=os.open('.', os.O_RDONLY))",
    "os.mknod('node', stat.S_IFREG | 0o4755)",
    "os.mknod('node', stat.S_IFREG | 0o4755, dir_fd=os.open('.', os.O_RDONLY))",
]
DEVICES = [
    "os.mknod('device', stat.S_IFCHR | 0o666, os.makedev(1, 3))",
    "os.mknod('device', stat.S_IFBLK | 0o666, os.makedev(1, 3))",
    "os.mknod('device', stat.S_IFCHR, dir_fd=os.open('.', os.O_RDONLY))",
]
USUAL = [
    "os.chmod('file', 0o1777)",
    "os.mkdir('directory', 0o755)",
    "open('another', 'w').write('x')",
    "os.mknod('fifo', stat.S_IFIFO | 0o600)",
    "os.mknod('regular', stat.S_IFREG | 0o600)",
    "os.symlink('file', 'link')",
    "os.rename('another', 'renamed')",
    # What is in the mode's register means nothing without O_CREAT.
    "call(257, os.open('.', os.O_RDONLY), b'file', os.O_RDONLY, 0o6777)",
]


def test_nothing_becomes_setuid_or_setgid(tmp_path):
    assert outcomes(tmp_path, *SETID) == [errno.EPERM] * len(SETID)
    assert not any(path.stat().st_mode & 0o6000 for path in tmp_path.iterdir())


def test_no_device_is_made(tmp_path):
    assert outcomes(tmp_path, *DEVICES) == [errno.EPERM] * len(DEVICES)
    assert not (tmp_path / "device").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could do it without the filter")
def test_without_the_filter_they_are_made(tmp_path):
    assert outcomes(tmp_path, *SETID[:8], DEVICES[0], confined=False) == [0] * 9


def test_no_file_gets_capabilities(tmp_path):
    attempt = "os.setxattr('file', 'security.capability', b'x')"
    assert outcomes(tmp_path, attempt) == [errno.EOPNOTSUPP]


def test_calls_that_a_filter_cannot_read_are_absent(tmp_path):
    attempts = ["call(437, -100, b'file', None, 0)", "call(425, 1, None)"]
    assert outcomes(tmp_path, *attempts) == [errno.ENOSYS] * 2


def test_calls_of_the_x32_interface_are_refused(tmp_path):
    assert outcomes(tmp_path, "call(0x40000000 + 90, b'file', 0o4755)") == [errno.EPERM]


def test_all_else_works(tmp_path):
    assert outcomes(tmp_path, *USUAL) == [0] * len(USUAL)


def test_the_next_step_is_taken(tmp_path):
    def say():
        os.write(1, b"then\n")

    done = subprocess.run(["true"], preexec_fn=Confinement(say), capture_output=True, check=True)
    assert done.stdout == b"then\n"


def outcome(architecture, name, *arguments, audit=None):
    """Run the filter of an architecture on a system call, as the kernel would (seccomp(2))."""
    memory = struct.pack(
        "=IIQ6Q", architecture.calls.get(name, name), audit or architecture.audit, 0,
        *(*arguments, *[0] * (6 - len(arguments))),
    )  # fmt: skip
    code = [*struct.iter_unpack("=HBBI", program(architecture))]
    at = accumulator = 0
    while True:
        operation, jump_true, jump_false, number = code[at]
        at += 1
        if operation == 0x20:  # load a word
            (accumulator,) = struct.unpack_from("=I", memory, number)
        elif operation == 0x54:  # and
            accumulator &= number
        elif operation == 0x06:  # return
            return number & 0xFFFF if number >> 16 == 5 else "allowed"
        else:
            holds = accumulator == number if operation == 0x15 else accumulator >= number
            at += jump_true if holds else jump_false


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_filter_of_each_architecture(architecture):
    creating, setid = os.O_CREAT | os.O_WRONLY, 0o4755
    refused = [
        ("fchmod", 3, setid), ("fchmodat", 3, 0, setid), ("fchmodat2", 3, 0, setid),
        ("mkdirat", 3, 0, setid), ("openat", 3, 0, creating, setid),
        ("mknodat", 3, 0, 0o100000 | setid), ("mknodat", 3, 0, 0o020666),
        ("mknodat", 3, 0, 0o060666),
    ]  # fmt: skip
    assert [outcome(architecture, *each) for each in refused] == [errno.EPERM] * len(refused)
    usual = [
        ("fchmod", 3, 0o1777), ("mkdirat", 3, 0, 0o755), ("openat", 3, 0, creating, 0o644),
        ("openat", 3, 0, os.O_RDONLY, setid), ("mknodat", 3, 0, 0o010600), ("ioctl", 3, setid),
    ]  # fmt: skip
    assert [outcome(architecture, *each) for each in usual] == ["allowed"] * len(usual)
    xattr = ("setxattr", "lsetxattr", "fsetxattr", "setxattrat")
    assert {outcome(architecture, name) for name in xattr} == {errno.EOPNOTSUPP}
    assert {outcome(architecture, name) for name in ("openat2", "io_uring_setup")} == {errno.ENOSYS}
    # Numbers mean other calls on another architecture.
    assert outcome(architecture, "ioctl", audit=0x40000003) == errno.EPERM
