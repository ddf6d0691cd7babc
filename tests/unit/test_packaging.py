"""What a source archive and an installed package have, and what they do outside of a checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

from ebpf_overhead import __version__

ROOT = Path(__file__).parents[2]


PROGRAM = ("bin/python", "-I", "-c", "from ebpf_overhead.cli import main; main()")
KEPT_OUT = shutil.ignore_patterns(".*", "build", "*.egg-info", "*.so", "__pycache__")


def names(pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern) if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the source archive, and with the wheel that is built of it."""
    folder = tmp_path_factory.mktemp("built")
    tree = shutil.copytree(ROOT, folder / "tree", ignore=KEPT_OUT)
    words = ["-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(tree)]
    done = subprocess.run([sys.executable, "-I", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


def test_source_archive_has_all_that_is_built_and_tested(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        found = {name.partition("/")[2] for name in opened.getnames()}
    kinds = ("ebpf_overhead/**/*.[chp]*", "probes/*", "benchmarks/*.py", "results/**/*.json")
    others = (
        "tests/**/*.py",
        "scripts/*",
        "changelog.d/*",
        "*.md",
        "CITATION.cff",
        "Containerfile",
    )
    wanted = {name for kind in (*kinds, *others) for name in names(kind)}
    left_out = {name for name in wanted if name.endswith((".pyc", ".so"))}
    assert wanted - left_out - found == set()


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory) -> Path:
    """A virtual environment with the wheel; other packages are those of the tests'."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    (wheel,) = built.glob("*.whl")
    words = ["--python", place / "bin/python", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, "-I", "-m", "pip", *words, wheel], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return place


@pytest.fixture(scope="module")
def installed(environment) -> Path:
    """Where the package is in there."""
    return package(environment)


def package(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages/ebpf_overhead")
    return found


def run(
    environment: Path, place: Path, *arguments: str, program: tuple[str, ...] = PROGRAM
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / program[0], *program[1:], *arguments],
        cwd=place, capture_output=True, text=True, timeout=300,
        env={**os.environ, "EBPF_OVERHEAD_DATA": str(place / "data")},
    )  # fmt: skip


def test_the_command_is_in_the_path(environment, tmp_path):
    found = run(environment, tmp_path, "--version", program=("bin/ebpf-overhead",))
    assert found.stdout == f"ebpf-overhead, version {__version__}\n"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("workloads getpid", 0, "getpid"),
        ("schema", 0, "$schema"),
        ("compare 6.12 7.3", 0, "fentry"),
        ("kernels list", 0, "no kernels in"),
        ("kernels measure", 2, "no kernel is here"),
        ("kernels keep", 0, "files that changed: 0"),
        ("explain --kernel 6.12", 2, "no kernel '6.12' is here"),
        ("cache", 0, "kernels"),
    ],
)
def test_commands_work_outside_of_a_checkout(environment, tmp_path, command, status, said):
    done = run(environment, tmp_path, *command.split())
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


def test_package_has_the_tree_that_it_needs(installed):
    place = installed.parent
    inside = {str(path.relative_to(place)) for path in installed.rglob("*") if path.is_file()}
    assert {f"ebpf_overhead/{name}" for name in names("probes/*")} <= inside
    suite = names("benchmarks/*.py") | names("results/kernels/**/*.json") | {"asv.kernels.json"}
    assert {f"ebpf_overhead/suite/{name}" for name in suite} <= inside
    for kind in ("programs/headers/**/*.h", "site/page/*", "api/templates/*", "tools/tracers/*.c"):
        assert names(f"ebpf_overhead/{kind}") <= inside


def test_history_is_there_without_a_checkout(environment, tmp_path):
    found = run(
        environment,
        tmp_path,
        "report",
        "--config=asv.kernels.json",
        "--kernel=6.12",
        "--format=json",
    )
    assert found.returncode == 0, found.stderr
    cases = json.loads(found.stdout)["cases"]
    assert {case["attach"] for case in cases if case["status"] == "measured"} >= {
        "fentry",
        "kprobe",
    }
    stamp = (tmp_path / "data/suite/.shipped").stat().st_mtime_ns
    assert run(environment, tmp_path, "history").returncode == 0
    assert (tmp_path / "data/suite/.shipped").stat().st_mtime_ns == stamp, "it is copied once"


def test_files_are_compared_without_the_history(environment, tmp_path):
    record = str(ROOT / "tests/data/records/measure_1.json")
    found = run(environment, tmp_path, "compare", record, record)
    assert found.returncode == 0, found.stderr
    assert not (tmp_path / "data").exists()


def test_results_of_a_checkout_are_missed_in_one_line(environment, tmp_path):
    found = run(environment, tmp_path, "report")
    assert found.returncode == 2
    assert found.stderr == (
        "ebpf-overhead: asv.conf.json is no file here; name a configuration of asv: --config;"
        " make bench needs a checkout\n"
    )


def test_another_package_brings_another_suite(environment, tmp_path):
    changed = Path(shutil.copytree(environment, tmp_path / "changed", symlinks=True))
    assert run(environment, tmp_path, "history").returncode == 0
    (tmp_path / "data/suite/benchmarks/gone.py").touch()
    (package(changed) / "suite/benchmarks/new.py").touch()
    (package(changed) / "suite/.shipped").write_text("another")
    assert run(changed, tmp_path, "history").returncode == 0
    there = {path.name for path in (tmp_path / "data/suite/benchmarks").glob("*.py")}
    assert "new.py" in there
    assert "gone.py" not in there
