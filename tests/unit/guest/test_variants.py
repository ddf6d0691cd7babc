"""Guests that have what others do not: boot arguments, another CPU model."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ebpf_overhead import cli
from ebpf_overhead.architectures import X86_64
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.guest import command
from ebpf_overhead.guest.variants import USUAL, Variant, not_emulated, refuse_unknown

BOOT_LOG = """\
[    0.000000] Command line: console=ttyS0 audit=1 foo=1 spectre_v2=retpoline
[    0.000000] Unknown kernel command line parameters "nothing foo=1 spectre_v2=retpoline", will be\
 passed to user space.
"""


def test_what_is_asked_for_follows_the_usual():
    usual = command.kernel_command_line(X86_64, "icount")
    assert command.kernel_command_line(X86_64, "icount", Variant(" audit=1  pti=on ")) == (
        f"{usual} audit=1 pti=on"
    )
    assert (
        command.cpu_model(X86_64, "tcg", Variant(cpu_model="Nehalem,-sse4.2")) == "Nehalem,-sse4.2"
    )


def test_the_usual_guest_has_no_name():
    assert str(USUAL) == ""
    assert str(Variant("audit=1", "Nehalem")) == "boot arguments audit=1, CPU Nehalem"


@pytest.mark.parametrize("text", ["a\nb", "a\0", "x" * 1025, "\x1b[31m"])
def test_boot_arguments_that_are_none_are_refused(text):
    with pytest.raises(BadUseError, match="boot arguments of"):
        Variant(text)


@pytest.mark.parametrize("text", ["-help", "max,", "a b", "max,id=x,/dev/null", "max;rm", "\u0661"])
def test_cpu_models_that_are_none_are_refused(text):
    with pytest.raises(BadUseError, match="no CPU model is called"):
        Variant(cpu_model=text)


def test_an_argument_that_the_kernel_does_not_know_is_refused():
    with pytest.raises(BadUseError, match="does not know the boot argument foo=1"):
        refuse_unknown(Variant("audit=1 foo=1"), BOOT_LOG)


def test_an_argument_that_the_kernel_reads_by_other_means_is_not():
    refuse_unknown(Variant("audit=1 spectre_v2=retpoline"), BOOT_LOG)
    refuse_unknown(Variant("foo=1"), "")


def test_what_the_emulator_leaves_out_is_named_once():
    line = "qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.{} [bit 17]\n"
    features = ("01H:ECX.pcid", "07H:EDX.spec-ctrl", "01H:ECX.pcid")
    assert not_emulated("".join(map(line.format, features))) == ["pcid", "spec-ctrl"]


def test_what_only_a_guest_can_have_is_refused_without_one():
    for options in (["--boot-args", "audit=1"], ["--cpu-model", "Nehalem"]):
        found = CliRunner().invoke(cli.main, ["measure", *options])
        assert found.exit_code == 2
        assert "no kernel was named; give --kernel as well" in found.output
