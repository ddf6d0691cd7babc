"""The command lines of QEMU and of the guest's kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ebpf_overhead.architectures import AARCH64, ARCHITECTURES, X86_64
from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.guest.command import (
    MINIMUM_VERSION,
    Files,
    boot_program,
    cpu_model,
    kernel_command_line,
    qemu_command,
)
from ebpf_overhead.guest.variants import Variant

FILES = Files(
    boot=(3, 4), shown=[5, 6], copies=11, share=7, monitor=12, console=8, command=9, life=10
)


def build(
    version=(7, 2, 22), clock="icount", accel="tcg", sandbox=True, files=FILES, architecture=X86_64
):
    return qemu_command(
        *("qemu", version),
        architecture=architecture, clock=clock, accel=accel, memory_mib=512,
        files=files, sandbox=sandbox,
    )  # fmt: skip


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


def test_directories_are_read_only_and_the_share_is_the_only_other_file_system():
    *shown, share = values(build(), "-fsdev")
    descriptors = [each.split(",")[2].removeprefix("path=/proc/self/fd/") for each in shown]
    # Those that are not needed lead to the same copies as the one before the share.
    assert descriptors == ["5", "6", *["11"] * 6, "11"]
    assert all(each.endswith(",readonly=on") for each in shown)
    assert "path=/proc/self/fd/7," in share
    assert "readonly" not in share


def test_each_file_system_is_a_device_with_its_own_tag():
    devices = [each for each in values(build(), "-device") if each.startswith("virtio-9p-pci")]
    shown = [f"shown{number}" for number in range(8)]
    assert [each.rpartition("=")[2] for each in devices] == [*shown, "copies", "share"]


def test_no_device_leaves_out_a_notification():
    devices = [each for each in values(build(), "-device") if each.startswith("virtio-")]
    assert len(devices) == 11
    assert all("event_idx=off" in each.split(",") for each in devices)


def test_guests_that_see_a_few_directories_more_have_the_same_devices():
    def devices(shown):
        return values(build(files=replace(FILES, shown=[5] * shown)), "-device")

    assert devices(1) == devices(8) != devices(9) == devices(16)


def test_guest_that_is_restored_is_given_no_kernel():
    files = replace(FILES, boot="pvh.bin")
    command = build(files=files)
    assert {"-kernel", "-initrd", "-append"}.isdisjoint(command)
    assert value(command, "-incoming") == "defer"
    assert value(command, "-option-rom") == "pvh.bin"
    assert set(files.descriptors) == {5, 6, 7, 8, 9, 10, 11, 12}


@pytest.mark.parametrize(
    ("image", "name"), [(b"\x7fELF\x02", "pvh.bin"), (b"MZ\xea\x07", "linuxboot_dma.bin")]
)
def test_program_of_qemu_that_boots_an_image(image, name):
    assert boot_program(X86_64, image) == name
    assert boot_program(AARCH64, image) == ""


def test_qemu_is_given_descriptors_and_no_path_of_the_host():
    assert [word for word in build() if "/" in word and "/proc/self/fd/" not in word] == []
    assert sorted(FILES.descriptors) == list(range(3, 13))


def test_sandbox_is_on_where_qemu_has_it():
    assert value(build(), "-sandbox").startswith("on,")
    assert "elevateprivileges=deny" in value(build(), "-sandbox")
    assert "-sandbox" not in build(sandbox=False)


def test_a_reboot_ends_qemu_and_nothing_is_there_by_default():
    assert {"-no-reboot", "-nodefaults", "-no-user-config"} <= set(build())


def test_life_port_is_connected_and_command_port_listens():
    ports = values(build(), "-chardev")
    assert "socket,id=life,fd=10" in ports
    assert "socket,id=command,fd=9,server=on,wait=off" in ports


def test_memory():
    assert value(build(), "-m") == "512"


@pytest.mark.parametrize("version", [MINIMUM_VERSION, (7, 2, 22), (10, 0, 2)])
def test_command_is_the_same_for_every_version_that_will_do(version):
    assert build(version=version) == build()


def test_too_old_qemu_is_refused_with_both_versions():
    with pytest.raises(MissingToolError, match=r"QEMU 4\.2\.1 is too old; install 5\.2"):
        build(version=(4, 2, 1))


@pytest.mark.parametrize("clock", ["icount", "wall"])
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_addresses_and_stack_offsets_are_not_random(architecture, clock):
    words = kernel_command_line(architecture, clock).split()
    assert {"nokaslr", "norandmaps", "randomize_kstack_offset=off", "panic=-1"} <= set(words)


def test_only_the_emulated_kernel_gets_words_about_emulation():
    assert "tsc=reliable" in kernel_command_line(X86_64, "icount").split()
    assert {"tsc=reliable", "acpi=off", "noapictimer"}.isdisjoint(
        kernel_command_line(X86_64, "wall").split()
    )


def test_command_line_fits():
    # COMMAND_LINE_SIZE of x86 and of arm64.
    for architecture in ARCHITECTURES.values():
        assert len(kernel_command_line(architecture, "icount")) < 2048


def test_guest_of_arm64():
    command = build(architecture=AARCH64)
    assert value(command, "-machine") == "virt"
    assert value(command, "-cpu") == "max,pauth-impdef=on"
    words = value(command, "-append").split()
    assert "console=ttyAMA0" in words
    # What is about processors of another kind is left out.
    assert {"tsc=reliable", "acpi=off", "noapictimer", "console=ttyS0"}.isdisjoint(words)


def test_guests_differ_by_architecture_in_nothing_else():
    x86, arm64 = build(), build(architecture=AARCH64)
    differing = {
        option
        for option in x86
        if option.startswith("-") and values(x86, option) != values(arm64, option)
    }
    assert differing == {"-machine", "-cpu", "-append"}


def test_guest_of_arm64_that_is_restored_has_no_program_of_qemus_to_boot_by():
    command = build(files=replace(FILES, boot=""), architecture=AARCH64)
    assert value(command, "-incoming") == "defer"
    assert {"-option-rom", "-kernel", "-append"}.isdisjoint(command)


def test_cpu_model_that_was_asked_for_and_the_hosts():
    assert cpu_model(AARCH64, "tcg", Variant(cpu_model="neoverse-n1")) == "neoverse-n1"
    assert cpu_model(AARCH64, "kvm") == "host"
