"""Which stored results two words mean: kernels, commits, environments or machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ebpf_overhead.asv import stored
from ebpf_overhead.asv.commits import commit_hash
from ebpf_overhead.asv.quantities import StoredSide
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.errors import BadUseError, UnknownNameError


@dataclass(frozen=True)
class Meant:
    """What a word means.

    Attributes
    ----------
    name : str
        What it is called in full: a release, an abbreviated commit, an environment.
    results : tuple of StoredSide
        The results, at least one.
    """

    name: str
    results: tuple[StoredSide, ...]


class Results:
    """All that asv stored, of kernels and of the project's commits.

    Parameters
    ----------
    kernels_conf, project_conf : Path
        asv's configurations; they need not exist.
    """

    def __init__(self, kernels_conf: Path, project_conf: Path) -> None:
        self._kernels_conf = kernels_conf
        self._folder = project_conf.absolute().parent
        self._kernels: list[StoredSide] = []
        self._project: list[StoredSide] = []
        self._workspace = Workspace(kernels_conf.absolute().parent)
        if kernels_conf.exists():
            self._workspace.prepare()
            self._kernels = _all(kernels_conf)
        if project_conf.exists():
            self._project = _all(project_conf)

    def meant(self, word: str) -> Meant:
        """Return the results that a word means.

        Raises
        ------
        BadUseError
            It means none.
        """
        for found in self._candidates(word):
            if found.results:
                return found
        if commit := commit_hash(self._folder, word):
            raise BadUseError(f"nothing is stored of commit {commit[:8]}", f"asv run {word}^!")
        raise self._unknown(word)

    def _candidates(self, word: str) -> Iterator[Meant]:
        if self._kernels_conf.exists():
            yield self._of_kernel(word)
        both = (*self._kernels, *self._project)
        for kind in ("environment", "machine"):
            yield Meant(word, tuple(each for each in both if getattr(each, kind) == word))
        if commit := commit_hash(self._folder, word):
            of = tuple(each for each in self._project if each.commit == commit)
            yield Meant(commit[:8], of)
        if len(word) >= 4:  # A result may be of a commit that is not here.
            yield Meant(word[:8], tuple(e for e in self._project if e.commit.startswith(word)))

    def _of_kernel(self, word: str) -> Meant:
        try:
            commit, record = self._workspace.find(word, measured=True)
        except UnknownNameError:
            return Meant(word, ())
        # A variant is meant by the name of its environment.
        usual = (each for each in self._kernels if not each.is_of_variant)
        found = tuple(each for each in usual if each.commit == commit)
        if not found:
            raise BadUseError(
                f"nothing was measured on {record.release}",
                f"ebpf-overhead kernels measure {record.release}",
            )
        return Meant(record.release, found)

    def _unknown(self, word: str) -> BadUseError:
        releases = []
        remedy = "name a JSON file that a command wrote, or a kernel of ebpf-overhead history"
        if self._kernels_conf.exists():
            releases = [each.release for each in self._workspace.history.records().values()]
        else:
            remedy = f"no kernel is known without {self._kernels_conf}, which is not here: --config"
        environments = [each.environment for each in (*self._kernels, *self._project)]
        return UnknownNameError(
            "file, kernel, environment or commit with results",
            word,
            [*releases, *environments],
            remedy,
        )


def best_pair(before: Meant, after: Meant) -> tuple[StoredSide, StoredSide]:
    """Return the results of both that are most alike in all but what is compared.

    The same clock first, then the same environment, machine and commit; of several the newest.
    """

    def alike(pair: tuple[StoredSide, StoredSide]) -> tuple[float, ...]:
        a, b = pair
        return (
            a.clock == b.clock,
            a.environment == b.environment,
            a.machine == b.machine or (a.is_counted and b.is_counted),
            a.commit == b.commit,
            min(a.measured_at, b.measured_at),
            max(a.measured_at, b.measured_at),
        )

    return max(product(before.results, after.results), key=alike)


def _all(conf_path: Path) -> list[StoredSide]:
    with stored.naming_files(conf_path):
        return [StoredSide(conf_path, each) for each in stored.stored_results(conf_path)]
