"""The environment type of other projects' suites, and the factor of their configuration."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import pytest
from kernels_fakes import make_record
from processes import ROOT

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

from asv.commands.compare import Compare
from asv.config import Config
from asv.environment import EnvironmentUnavailable
from asv.util import UserError

from ebpf_overhead.api import program_cost
from ebpf_overhead.asv.plugin import default_factor, program_files
from ebpf_overhead.asv.plugin.running_kernel import KERNEL, VARIABLE

RELEASES = {"6.12.118+deb13-amd64": "6.12.118-1", "7.3.4+deb13-amd64": "7.3.4-1~bpo13+1"}


@pytest.fixture
def conf(tmp_path, monkeypatch):
    for release, version in RELEASES.items():
        folder = tmp_path / "kernels" / release
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(make_record(release, version).to_json())
        (folder / "origin.json").write_text('{"trust": "a test", "places": []}')
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    conf = Config.load(str(ROOT / "examples/gate/asv.conf.json"))
    conf.env_dir = str(tmp_path / "env")
    return conf


def environment(conf, kernel=None):
    return program_files.ProgramFiles(conf, "3.11", {}, {KERNEL: kernel} if kernel else {})


def test_kernels_are_series_of_their_own_and_share_a_checkout(conf):
    old, new = (environment(conf, kernel) for kernel in ("6.12", "7.3"))
    assert old.env_vars == {
        "KERNEL": "6.12.118+deb13-amd64", "CLOCK": "icount", "ACCEL": "tcg", "CPU": "max"
    }  # fmt: skip
    assert old.name != new.name
    built = [each._global_env_vars[program_cost.BUILT] for each in (old, new)]
    assert built == [str(Path(conf.env_dir, old.dir_name, "project"))] * 2


def test_commands_come_from_path_and_the_interpreter_is_asv_s(conf):
    assert environment(conf, "6.12").find_executable("python") == sys.executable
    assert environment(conf, "6.12").find_executable("sh").endswith("/bin/sh")


def test_a_kernel_that_is_not_here_ends_the_run(conf):
    """asv would go on with the others, and a gate would pass."""
    with pytest.raises(UserError, match=r"kernels add 6\.1$"):
        environment(conf, "6.1")
    with pytest.raises(UserError, match="no kernel to measure on"):
        environment(conf)


def test_a_variable_names_the_one_kernel_of_a_job(conf, monkeypatch):
    monkeypatch.setenv(VARIABLE, "7.3")
    assert environment(conf, "7.3").env_vars["KERNEL"] == "7.3.4+deb13-amd64"
    assert environment(conf).env_vars["KERNEL"] == "7.3.4+deb13-amd64"
    with pytest.raises(EnvironmentUnavailable, match=r"6\.12 is left out: EBPF_OVERHEAD_KERNEL"):
        environment(conf, "6.12")


@pytest.mark.parametrize(
    ("words", "used"), [([], 1.0005), (["--factor=1.1"], 1.1), (["-f", "1.1"], 1.1)]
)
def test_the_factor_is_the_configuration_s_unless_it_is_given(conf, monkeypatch, words, used):
    class Recorded(Compare):
        @classmethod
        def run_from_conf_args(cls, conf, args):
            return args.factor

    default_factor._heed(Recorded)
    monkeypatch.setattr(sys, "argv", ["asv", "compare", *words, "a", "b"])
    assert Recorded.run_from_conf_args(conf, Namespace(factor=1.1)) == used
    del conf.default_factor
    assert Recorded.run_from_conf_args(conf, Namespace(factor=1.1)) == 1.1
