"""asv at work on a project in a temporary folder, with a home of its own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = "tester"


class Project:
    """A git repository that asv works on.

    Its home is not the user's, because asv keeps ``~/.asv-machine.json`` there; pip's
    configuration and cache are the user's.

    Attributes
    ----------
    machine : str
        Name under which asv stores results.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._home = folder.with_name(f"{folder.name}.home")
        self.folder.mkdir()
        self._home.mkdir()
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.machine = MACHINE
        fields = {"machine": MACHINE, "os": "", "arch": "", "cpu": "", "num_cpu": "", "ram": ""}
        self._machines.write_text(json.dumps({MACHINE: fields, "version": 1}))

    @property
    def _machines(self) -> Path:
        return self._home / ".asv-machine.json"

    def describe_machine(self) -> None:
        """Let asv find out for itself what machine this is, as a user would."""
        self._machines.unlink()
        self.asv("machine", "--yes")
        self.machine = next(
            name for name in json.loads(self._machines.read_text()) if name != "version"
        )

    def commit(self, subject: str) -> str:
        """Commit everything, be it nothing new; the commit's hash."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", subject)
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def asv(self, *arguments: str, check: bool = True, **extra: str) -> str:
        """What an asv command prints, both streams."""
        done = self.run(sys.executable, "-m", "asv", *arguments, check=False, **extra)
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"asv {' '.join(arguments)}: {output}"
        return output

    def run(
        self, *command: str, check: bool = True, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self._environment(), **extra},
            capture_output=True,
            text=True,
            timeout=580,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def _environment(self) -> dict[str, str]:
        home = Path.home()
        # A benchmark runs as it does for a user: nothing but asv's environment is on its path.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ASV", "GIT_", "PYTHON"))
        }
        return {
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            **inherited,
            "HOME": str(self._home),
            "GIT_AUTHOR_NAME": "Tester",
            "GIT_AUTHOR_EMAIL": "tester@example.org",
            "GIT_COMMITTER_NAME": "Tester",
            "GIT_COMMITTER_EMAIL": "tester@example.org",
        }

    def stored(self, commit: str) -> Any:
        """The one result asv stored for a commit, as asv reads it."""
        from asv.results import iter_results_for_machine_and_hash

        results = str(self.folder / ".asv/results")
        (result,) = iter_results_for_machine_and_hash(results, self.machine, commit)
        return result


def values(result: Any, name: str) -> dict[tuple[str, ...], float | None]:
    """A benchmark's stored values by the text of its parameters."""
    return _by_parameters(result, name, result.get_result_value)


def statistics(result: Any, name: str) -> dict[tuple[str, ...], dict[str, float] | None]:
    """A benchmark's stored statistics by the text of its parameters."""
    return _by_parameters(result, name, result.get_result_stats)


def samples(result: Any, name: str) -> dict[tuple[str, ...], list[float] | None]:
    """A benchmark's stored samples by the text of its parameters."""
    return _by_parameters(result, name, result.get_result_samples)


def _by_parameters(result: Any, name: str, get: Any) -> dict[tuple[str, ...], Any]:
    params = result.get_result_params(name)
    return dict(zip(itertools.product(*params), get(name, params), strict=True))
