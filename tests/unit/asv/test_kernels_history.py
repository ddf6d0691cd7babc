"""asv itself, run on kernel histories that grow at the wrong end."""

import json
import subprocess
import sys

import pytest
from kernels_fakes import make_record

from ebpf_overhead.kernels.history import History

pytest.importorskip("asv", reason="asv is not installed: pip install .[bench]")

OLD = make_record("5.10.0-46-amd64", "5.10.262-1", "2026-07-31")
# Built later than the newer kernels: dates do not follow versions in stable series.
LTS = make_record("6.1.0-56-amd64", "6.1.192-2", "2026-11-16")
MIDDLE = make_record("6.12.117+deb13-amd64", "6.12.117-1", "2026-11-12")
UNDATED = make_record("6.18.44-custom").__class__(
    **{**vars(make_record("6.18.44-custom")), "built_at_s": None, "source": "running"}
)
NEW = make_record("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1", "2026-11-15")


class Project:
    """An asv project whose repository is a kernel history."""

    def __init__(self, folder):
        self.folder = folder
        self.history = History(folder / "history")
        (folder / "benchmarks").mkdir()
        (folder / "benchmarks" / "__init__.py").touch()
        (folder / "benchmarks" / "bench.py").write_text(
            "from pathlib import Path\n"
            "def track_cost():\n"
            f"    return int(Path({str(folder / 'value')!r}).read_text())\n"
        )
        conf = {
            "version": 1,
            "project": "kernels",
            "project_url": "",
            "repo": str(self.history.path),
            "branches": ["main"],
            "environment_type": "existing",
            "pythons": ["same"],
        }
        (folder / "asv.conf.json").write_text(json.dumps(conf))

    def asv(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def measure(self, record, value):
        (self.folder / "value").write_text(str(value))
        commit = self.history.hashes()[record.release]
        self.asv("run", "--machine", "test", "--set-commit-hash", commit)

    def hashes_of(self, revisions):
        """What `asv run REVISIONS` would measure, by the code that decides it."""
        from asv.config import Config
        from asv.repo import get_repo

        conf = Config.load(str(self.folder / "asv.conf.json"))
        return get_repo(conf).get_hashes_from_range(revisions)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Results of two kernels; then an older, a middle and an undated kernel are added."""
    project = Project(tmp_path_factory.mktemp("asv"))
    project.history.sync([(NEW, None), (LTS, "CONFIG_A=y\n")])
    project.asv("machine", "--yes", "--machine", "test")
    project.measure(LTS, 611)
    project.measure(NEW, 733)
    project.history.sync(
        [(MIDDLE, None), (OLD, None), (LTS, "CONFIG_A=y\n"), (NEW, None), (UNDATED, None)]
    )
    return project


def test_results_from_before_are_still_shown_by_tag(project):
    assert "611" in project.asv("show", LTS.release)
    assert "733" in project.asv("show", NEW.release)


def test_results_from_before_are_still_compared_by_tag(project):
    compared = project.asv("compare", "--factor", "1.01", LTS.release, NEW.release)
    assert "611" in compared
    assert "733" in compared
    assert "| 1.2 " in " ".join(compared.split())
    assert LTS.release in compared  # asv shows the tag beside the hash.


def test_a_range_holds_the_added_kernels_in_version_order(project):
    commits = project.history.hashes()
    newest_first = [commits[record.release] for record in (NEW, UNDATED, MIDDLE)]
    assert project.hashes_of(f"{LTS.release}..{NEW.release}") == newest_first
    assert project.hashes_of("main") == [
        *newest_first,
        commits[LTS.release],
        commits[OLD.release],
    ]
    assert project.hashes_of(f"{OLD.release}^!") == [commits[OLD.release]]


def test_published_graph_follows_the_versions(project):
    project.measure(OLD, 510)
    project.measure(UNDATED, 618)
    project.measure(MIDDLE, 612)
    project.asv("publish")
    html = project.folder / "html"
    index = json.loads((html / "index.json").read_text())
    graphs = list((html / "graphs").rglob("bench.track_cost.json"))
    per_branch = [path for path in graphs if "branch-main" in path.parts]
    points = json.loads(per_branch[0].read_text())
    assert [value for _, value in points] == [510, 611, 612, 618, 733]
    revisions = [index["revision_to_hash"][str(revision)] for revision, _ in points]
    assert revisions == list(project.history.hashes().values())
    assert set(index["tags"]) == {r.release for r in (OLD, LTS, MIDDLE, UNDATED, NEW)}
