"""The command lines of QEMU and of the guest's kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from ebpf_overhead.errors import MissingToolError, UnsupportedError
from ebpf_overhead.guest.command import (
    MINIMUM_VERSION,
    Files,
    kernel_command_line,
    qemu_binary,
    qemu_command,
)

FILES = Files(
    kernel=Path("/k/vmlinux"),
    initrd=Path("/r/initrd"),
    share=Path("/r/share"),
    console=Path("/r/console.log"),
    command_socket=Path("/r/command.socket"),
    life_descriptor=7,
)


def build(version=(7, 2, 22), clock="icount", accel="tcg", files=FILES):
    return qemu_command("qemu", version, clock=clock, accel=accel, memory_mib=512, files=files)


def value(command, option):
    return command[command.index(option) + 1]


def values(command, option):
    return [command[i + 1] for i, word in enumerate(command) if word == option]


def test_icount_guest_counts_one_nanosecond_an_instruction_and_never_sleeps():
    command = build()
    assert value(command, "-icount") == "shift=0,sleep=off"
    assert value(command, "-accel") == "tcg"
    assert value(command, "-cpu") == "max,la57=off"
    assert value(command, "-smp") == "1"


def test_icount_guest_has_fixed_seeds_and_calendar():
    command = build()
    assert value(command, "-seed") == "0"
    assert "base=2026-01-01" in value(command, "-rtc")


def test_wall_guest_has_hosts_processor_and_clock():
    command = build(clock="wall", accel="kvm")
    assert value(command, "-cpu") == "host"
    assert value(command, "-accel") == "kvm"
    assert {"-icount", "-seed", "-rtc"}.isdisjoint(command)


def test_root_is_read_only_and_the_share_is_the_only_other_file_system():
    root, share = values(build(), "-fsdev")
    assert "path=/," in root
    assert root.endswith(",readonly=on")
    assert "path=/r/share," in share
    assert "readonly" not in share


def test_a_reboot_ends_qemu_and_nothing_is_there_by_default():
    assert {"-no-reboot", "-nodefaults", "-no-user-config"} <= set(build())


def test_life_port_is_the_descriptor_and_command_port_the_socket():
    ports = values(build(), "-chardev")
    assert "socket,id=life,fd=7" in ports
    assert "socket,id=command,path=/r/command.socket,server=on,wait=off" in ports


def test_commas_in_paths_are_doubled():
    files = Files(**{**vars(FILES), "share": Path("/r/a,b")})
    assert "path=/r/a,,b," in values(build(files=files), "-fsdev")[1]


def test_memory():
    assert value(build(), "-m") == "512"


@pytest.mark.parametrize("version", [MINIMUM_VERSION, (7, 2, 22), (10, 0, 2)])
def test_command_is_the_same_for_every_version_that_will_do(version):
    assert build(version=version) == build()


def test_too_old_qemu_is_refused_with_both_versions():
    with pytest.raises(MissingToolError, match=r"QEMU 4\.2\.1 is too old; install 5\.2"):
        build(version=(4, 2, 1))


@pytest.mark.parametrize("clock", ["icount", "wall"])
def test_addresses_and_stack_offsets_are_not_random(clock):
    words = kernel_command_line(clock).split()
    assert {"nokaslr", "norandmaps", "randomize_kstack_offset=off", "panic=-1"} <= set(words)


def test_only_the_emulated_kernel_gets_words_about_emulation():
    assert "tsc=reliable" in kernel_command_line("icount").split()
    assert {"tsc=reliable", "acpi=off", "noapictimer"}.isdisjoint(
        kernel_command_line("wall").split()
    )


def test_command_line_fits():
    # COMMAND_LINE_SIZE of x86.
    assert len(kernel_command_line("icount")) < 2048


def test_unknown_architecture():
    with pytest.raises(UnsupportedError, match="riscv64"):
        qemu_binary("riscv64")
