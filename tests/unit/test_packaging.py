"""What a source archive and an installed package have, and what they do outside of a checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def setup(*command: str) -> None:
    subprocess.run([sys.executable, "setup.py", "-q", *command], cwd=ROOT, check=True)


def names(pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern) if path.is_file()}


def test_source_archive_has_all_that_is_built_and_tested(tmp_path):
    setup("egg_info", "-e", str(tmp_path), "sdist", "-d", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        found = {name.partition("/")[2] for name in opened.getnames()}
    kinds = ("ebpf_overhead/**/*.[chp]*", "probes/*", "benchmarks/*.py", "results/**/*.json")
    wanted = {name for kind in (*kinds, "tests/**/*.py", "scripts/*") for name in names(kind)}
    built = {name for name in wanted if name.endswith((".pyc", ".so"))}
    assert wanted - built - found == set()


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package as a wheel has it, with the extensions that are compiled already."""
    folder = tmp_path_factory.mktemp("installed")
    setup("build_py", "--build-lib", str(folder))
    for path in ROOT.glob("ebpf_overhead/*/*.so"):
        shutil.copy(path, folder / path.relative_to(ROOT))
    return folder


def run(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import ebpf_overhead.cli as c; c.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(installed), *arguments],
        cwd=place, capture_output=True, text=True, timeout=120,
        env={**os.environ, "EBPF_OVERHEAD_DATA": str(place / "data")},
    )  # fmt: skip


def test_package_has_the_tree_that_it_needs(installed):
    inside = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert {f"ebpf_overhead/{name}" for name in names("probes/*")} <= inside
    suite = names("benchmarks/*.py") | names("results/kernels/**/*.json") | {"asv.kernels.json"}
    assert {f"ebpf_overhead/suite/{name}" for name in suite} <= inside
    for kind in ("programs/headers/**/*.h", "site/page/*", "api/templates/*", "tools/tracers/*.c"):
        assert names(f"ebpf_overhead/{kind}") <= inside


def test_history_is_there_without_a_checkout(installed, tmp_path):
    found = run(
        installed, tmp_path, "report", "--config=asv.kernels.json", "--kernel=6.12", "--format=json"
    )
    assert found.returncode == 0, found.stderr
    cases = json.loads(found.stdout)["cases"]
    assert {case["attach"] for case in cases if case["status"] == "measured"} >= {
        "fentry",
        "kprobe",
    }
    stamp = (tmp_path / "data/suite/.shipped").stat().st_mtime_ns
    assert run(installed, tmp_path, "history").returncode == 0
    assert (tmp_path / "data/suite/.shipped").stat().st_mtime_ns == stamp, "it is copied once"


def test_files_are_compared_without_the_history(installed, tmp_path):
    record = str(ROOT / "tests/data/records/measure_1.json")
    found = run(installed, tmp_path, "compare", record, record)
    assert found.returncode == 0, found.stderr
    assert not (tmp_path / "data").exists()


def test_results_of_a_checkout_are_missed_in_one_line(installed, tmp_path):
    found = run(installed, tmp_path, "report")
    assert found.returncode == 2
    assert found.stderr == (
        "ebpf-overhead: asv.conf.json is no file here; name a configuration of asv: --config;"
        " make bench needs a checkout\n"
    )


def test_another_package_brings_another_suite(installed, tmp_path):
    (tmp_path / "changed").mkdir()
    changed = Path(shutil.copytree(installed, tmp_path / "changed/lib"))
    assert run(installed, tmp_path, "history").returncode == 0
    (tmp_path / "data/suite/benchmarks/gone.py").touch()
    (changed / "ebpf_overhead/suite/benchmarks/new.py").touch()
    (changed / "ebpf_overhead/suite/.shipped").write_text("another")
    assert run(changed, tmp_path, "history").returncode == 0
    there = {path.name for path in (tmp_path / "data/suite/benchmarks").glob("*.py")}
    assert "new.py" in there
    assert "gone.py" not in there
