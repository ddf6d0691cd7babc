"""asv's commands in a fresh clone: no kernel is here, no machine is known, nothing is fetched."""

from __future__ import annotations

import json
import re
import sys

import pytest
from fresh_clones import Clone
from processes import ROOT

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

OLD, NEW = "6.1.0-56-amd64", "7.3.4+deb13-amd64"
KERNELS = sorted(path.name for path in (ROOT / "results/kernel-records").iterdir())


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return Clone(tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def known_machine(clone):
    """Where asv was told what machines there are: one is called as the committed one."""
    path = clone.home / ".asv-machine.json"
    path.write_text(
        json.dumps({"here": {"machine": "here"}, "vm": {"machine": "vm"}, "version": 1})
    )
    yield
    path.unlink()


def test_publish_shows_every_committed_kernel(clone):
    clone.asv("publish")
    html = clone.folder / ".asv/html/kernels"
    index = json.loads((html / "index.json").read_text())
    assert sorted(index["tags"]) == KERNELS
    assert len(KERNELS) >= 11
    graphs = {
        next(part for part in path.parts if part.startswith("arch-")): json.loads(path.read_text())
        for path in (html / "graphs").rglob("getpid.Instructions.track_overhead.json")
        if "branch-main" in path.parts
    }
    # Kernels of an architecture are a series of their own.
    for architecture, ending in (("arch-x86_64", "-amd64"), ("arch-arm64", "-arm64")):
        points = graphs.pop(architecture)
        tags = sorted(at for tag, at in index["tags"].items() if tag.endswith(ending))
        assert [revision for revision, _ in points] == tags
        assert all(None not in values for _, values in points)
    assert graphs == {}


def test_compare_prints_its_table(clone):
    shown = clone.asv("compare", OLD, NEW).stdout
    assert f"<{OLD}>" in shown
    assert f"<{NEW}>" in shown
    found = re.findall(r"\| +([\d.]+) +\| +[\d.~]+ +\| (getpid\.I.*\)) +\|", shown)
    rows = {name: after for after, name in found}
    assert float(rows["getpid.Instructions.track_overhead('fentry', 'empty')"]) == 112
    assert len(rows) == 45


def test_a_series_stands_for_its_kernel_wherever_a_tag_does(clone):
    assert clone.asv("compare", "6.1", "7.3").stdout == clone.asv("compare", OLD, NEW).stdout
    assert re.search(r"fentry +112\.0 +272\.0 +645\.0", clone.asv("show", "7.3").stdout)
    name = "getpid.Instructions.track_overhead"
    done = clone.asv("find", "--invert", "7.0..7.3", name)
    assert "Greatest improvement found: 6713e9fa <7.2.13+deb14-amd64>" in done.stdout


def test_counted_results_name_no_host(clone):
    """They are the same on every machine: who measured them is nobody's affair."""
    for path in (clone.folder / "results/kernels/vm").glob("*.json"):
        stored = json.loads(path.read_text())
        facts = stored if path.name == "machine.json" else stored["params"]
        assert not facts.keys() & {"cpu", "ram", "os", "num_cpu"}
        assert facts["machine"] == "vm"


def test_show_lists_the_kernels_and_prints_the_tables_of_one(clone):
    listed = clone.asv("show").stdout
    assert len(re.findall(r"^ {4}[0-9a-f]{8}$", listed, re.MULTILINE)) == len(KERNELS)
    shown = clone.asv("show", NEW).stdout
    assert re.search(r"fentry +112\.0 +272\.0 +645\.0", shown)


def test_find_reads_what_is_stored(clone):
    name = "getpid.Instructions.track_overhead"
    done = clone.asv("find", "--invert", f"7.0.13+deb13-amd64..{NEW}", name)
    assert "Greatest improvement found: 6713e9fa <7.2.13+deb14-amd64>" in done.stdout
    assert clone.asv("compare", OLD, NEW).returncode == 0  # of the one machine, still


def test_history_prints_every_committed_kernel(clone):
    command = (sys.executable, "-m", "ebpf_overhead.cli", "history", "--format", "json", "--arch")
    records = [json.loads(clone.run(*command, arch).stdout) for arch in ("x86_64", "arm64")]
    releases = [[each["release"] for each in record["kernels"]] for record in records]
    assert {each[-6:] for each in releases[0]} == {"-amd64"}
    assert {each[-6:] for each in releases[1]} == {"-arm64"}
    assert sorted(releases[0] + releases[1]) == KERNELS


@pytest.mark.parametrize(
    ("command", "closest"),
    [
        (("find", "6.12.117+deb13-amd64..7.3", "x"), "6.12.118+deb13-amd64"),
        (("show", "7.3.5+deb13-amd64"), NEW),
        (("show", "7.31"), "7.3.4+deb13-a"),
        (("compare", "6.1.0-57-amd64", NEW), OLD),
        (("continuous", "7.3", "6.1.0-57-amd64"), OLD),
        (("run", "--machine", "here", "6.1.0-57-amd64^!"), OLD),
        (("run", "--machine", "here", f"6.1.0-57-amd64..{NEW}"), OLD),
    ],
)
def test_a_wrong_tag_is_one_line_with_the_closest(clone, known_machine, command, closest):
    done = clone.asv(*command, check=False)
    assert done.returncode == 1
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "revision" in line]
    assert closest in line
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["existing", "virtualenv"])
def test_environments_that_do_not_name_the_kernel_are_refused(clone, known_machine, kind):
    words = ("run", "--machine", "here", "--environment", kind, "--bench", "getpid", "HEAD^!")
    done = clone.run(sys.executable, "-m", "asv", *words, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"results of environment type {kind} do not name the kernel" in said
    assert "Traceback" not in said
    assert not [*(clone.folder / ".asv").glob(f"results/*/*{kind}*")]


@pytest.mark.parametrize("machine", ["here", "vm"])
def test_a_kernel_that_is_not_here_is_not_measured_on_the_host(clone, known_machine, machine):
    words = ("--machine", machine, "--bench", r"getpid\.Overhead", f"{NEW}^!")
    done = clone.asv("run", *words, check=False)
    said = done.stdout + done.stderr
    assert f"ebpf-overhead kernels add {NEW}" in said
    (file,) = (clone.folder / ".asv/kernels/results/vm").glob("addf26eb-*.json")
    stored = json.loads(file.read_text())["results"]
    assert stored["getpid.Overhead.track_overhead"][0] is None
    assert stored["getpid.Instructions.track_overhead"][0][0] == 353.0


def test_what_is_stored_is_not_measured_again_on_any_host(clone, known_machine):
    words = ("--machine", "here", "--skip-existing-successful", "--bench", r"^getpid\.Instructions")
    done = clone.asv("run", *words, "6.12^!")
    assert "kernels add" not in done.stdout + done.stderr
    assert "Benchmarking" not in done.stdout + done.stderr


def test_nothing_that_git_tracks_was_written(clone):
    assert clone.run("git", "status", "--porcelain").stdout == ""
