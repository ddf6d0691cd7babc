"""The example project of `examples/gate` as a repository of its own, and its gate."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from asv_projects import ROOT, Project

EXAMPLE = ROOT / "examples/gate"
WORKFLOW = EXAMPLE / ".github/workflows/ebpf-overhead.yml"
# As workflows have it: the copy that is measured.
_COPY = "/srv/project"


def copy_of(folder: Path) -> None:
    """Copy the example as it is in git, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(EXAMPLE / name, place)


def gate_of(workflow: dict[str, Any]) -> str:
    """The commands of GitHub's workflow that measure."""
    (job,) = workflow["jobs"].values()
    (step,) = (step for step in job["steps"] if step.get("name") == "Measure")
    return str(step["run"])


class Gate(Project):
    """The example's commits, and what its gate says of two of them."""

    def __init__(self, folder: Path, data: Path) -> None:
        super().__init__(folder)
        self._machines.unlink()  # the workflow names one
        self._data = data
        self._copies = 0
        copy_of(folder)
        self.first = self.commit("one")

    def change(self, before: str, after: str) -> str:
        """Commit a change of the program; the commit's hash."""
        source = self.folder / "calls.bpf.c"
        text = source.read_text()
        assert text.count(before) == 1
        source.write_text(text.replace(before, after))
        return self.commit(after)

    def judge(self, base: str) -> tuple[int, str, list[float]]:
        """Run the workflow's commands; their status, what they print, and the costs stored."""
        self._copies += 1
        copy = self.folder.with_name(f"{self.folder.name}.copy{self._copies}")
        commands = gate_of(yaml.safe_load(WORKFLOW.read_text()))
        assert commands.count(_COPY) == 2
        done = self.run(
            "sh",
            "-e",
            "-c",
            commands.replace(_COPY, str(copy)),
            check=False,
            BASE=base,
            EBPF_OVERHEAD_KERNEL="6.12",
            EBPF_OVERHEAD_DATA=str(self._data),
        )
        head = self.run("git", "rev-parse", "HEAD").stdout.strip()
        costs = [_cost(copy / ".asv/results/guest", commit) for commit in (base, head)]
        return done.returncode, done.stdout + done.stderr, costs


def _cost(results: Path, commit: str) -> float:
    (path,) = results.glob(f"{commit[:8]}-*.json")
    stored = json.loads(path.read_text())
    assert "cpu" not in stored["params"], "counts depend on no host"
    return float(stored["results"]["calls.Calls.track_overhead"][0][0])
