"""The kernel history: a generated git repository whose revisions are kernels.

asv files results by commit hash and needs a line of commits.  If a kernel's commit had the
older kernel as its parent, adding a kernel would change the hash of every newer one, and
their results would be lost.  So a kernel's commit has no parent: its hash depends on the
kernel alone, and is the same on every machine and in every history.  The
line is laid over the commits with git's replacement objects (git-replace(1)):
``refs/replace/<commit>`` stands for the same commit with the kernel before it as parent.
git, and so asv, walks the replaced parents and keeps showing the original hashes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from ebpf_overhead.errors import BadUseError, FailedError, MissingToolError
from ebpf_overhead.kernels.record import KernelRecord, from_json
from ebpf_overhead.trust import refuse_foreign_tree

BRANCH = "main"
_NAME = "ebpf-overhead kernels"


def without_hooks(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git runs no hook of any repository."""
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    return {
        **environment,
        f"GIT_CONFIG_KEY_{count}": "core.hooksPath",
        f"GIT_CONFIG_VALUE_{count}": os.devnull,
        "GIT_CONFIG_COUNT": str(count + 1),
    }


class History:
    """The repository; everything in it can be made again from the catalogue.

    Parameters
    ----------
    path : Path
        A bare repository, made when missing.

    Raises
    ------
    BadUseError
        When another user could have written to it: git runs what a repository tells it to.
    """

    def __init__(self, path: Path) -> None:
        refuse_foreign_tree(path)
        self.path = path

    def sync(self, kernels: Iterable[tuple[KernelRecord, str | None]]) -> None:
        """Make the history hold exactly these kernels, in version order.

        Of two builds of one release, both are in the line, and the later one given has the
        tag.  References change in one git transaction: a reader sees the old line or the new
        one.

        Parameters
        ----------
        kernels : iterable of (KernelRecord, str or None)
            Each kernel with its build configuration's text, in any order.

        Raises
        ------
        BadUseError
            When this user's git is told to ignore replacement objects.
        """
        self._create()
        wanted: dict[str, str] = {}
        previous = ""
        line = sorted(kernels, key=lambda kernel: kernel[0].order)
        for record, config in line:
            tree = self._tree(record, config)
            commit = self._commit(record, tree)
            wanted[f"refs/tags/{record.release}"] = commit
            if previous:
                wanted[f"refs/replace/{commit}"] = self._commit(record, tree, "-p", previous)
            previous = commit
        if previous:
            wanted[f"refs/heads/{BRANCH}"] = previous
        self._move_references(wanted)
        self._check_visible(len(line))

    def hashes(self) -> dict[str, str]:
        """Return release -> commit hash, in the history's order."""
        if not (self.path / "HEAD").exists():
            return {}
        tags = self._git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/tags")
        releases = dict(line.split(" ", 1) for line in tags.splitlines())
        if not releases:
            return {}
        order = self._git("rev-list", "--reverse", "--first-parent", BRANCH).split()
        return {releases[commit]: commit for commit in order if commit in releases}

    def record(self, release: str) -> KernelRecord:
        """Return the `kernel.json` of a release's commit.

        Raises
        ------
        FailedError
            When the history has no such release.
        """
        return self._record_of(f"refs/tags/{release}")

    def records(self) -> dict[str, KernelRecord]:
        """Return commit hash -> the kernel's record, in the history's order.

        This has the kernels whose tag another build of the same release took, too.
        """
        if not self.hashes():
            return {}
        commits = self._git("rev-list", "--reverse", "--first-parent", BRANCH).split()
        return {each: self._record_of(each) for each in commits}

    def _record_of(self, revision: str) -> KernelRecord:
        text = self._git("show", f"{revision}:kernel.json")
        return from_json(text.encode(), f"{self.path}: kernel.json of {revision}")

    def _create(self) -> None:
        if not (self.path / "HEAD").exists():
            self.path.mkdir(parents=True, exist_ok=True)
            # Always SHA-1: a kernel has the same hash everywhere.
            options = ("--bare", "--object-format=sha1", f"--initial-branch={BRANCH}")
            self._git("init", "--quiet", "--template=", *options, ".")
        # Nothing here is unreachable for long.  core.useReplaceRefs must not be set: git 2.39
        # then also packs the replaced commits under the original names, which damages them.
        self._git("config", "gc.auto", "0")

    def _check_visible(self, kernels: int) -> None:
        """Refuse a git that would not show the line of commits to this user, and so to asv."""
        done = subprocess.run(
            ["git", "rev-list", "--count", BRANCH],
            cwd=self.path,
            env=without_hooks({**os.environ, "GIT_DIR": "."}),
            capture_output=True,
            text=True,
            check=False,
        )
        if kernels and done.stdout.strip() != str(kernels):
            raise BadUseError(
                f"git shows {done.stdout.strip() or 'no'} of {kernels} kernels in {self.path}: "
                "its replacement objects are switched off",
                "git config --global --unset core.useReplaceRefs; unset GIT_NO_REPLACE_OBJECTS",
            )

    def _tree(self, record: KernelRecord, config: str | None) -> str:
        files = {"kernel.json": record.to_json()}
        if config is not None:
            files["config"] = config  # `git diff 6.1… 6.12… -- config` then just works.
        lines = []
        for name in sorted(files):
            blob = self._git("hash-object", "-w", "--stdin", given=files[name])
            lines.append(f"100644 blob {blob}\t{name}\n")
        return self._git("mktree", given="".join(lines))

    def _commit(self, record: KernelRecord, tree: str, *parents: str) -> str:
        message = f"{record.release}\n\nLinux {record.version} {record.arch}\n{record.build}\n"
        moment = f"@{record.built_at_s or 0} +0000"
        identity = {}
        for role in ("AUTHOR", "COMMITTER"):
            identity[f"GIT_{role}_NAME"] = _NAME
            identity[f"GIT_{role}_EMAIL"] = "kernels@localhost"
            identity[f"GIT_{role}_DATE"] = moment
        return self._git("commit-tree", *parents, tree, given=message, environment=identity)

    def _move_references(self, wanted: Mapping[str, str]) -> None:
        lines = self._git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        present = dict(line.split() for line in lines)
        commands = [
            f"update {name} {commit}"
            for name, commit in wanted.items()
            if present.get(name) != commit
        ]
        commands += [f"delete {name}" for name in present if name not in wanted]
        if commands:
            script = "\n".join(["start", *commands, "prepare", "commit", ""])
            self._git("update-ref", "--stdin", given=script)

    def _git(
        self, *arguments: str, given: str = "", environment: Mapping[str, str] | None = None
    ) -> str:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.path,
                env=_alone(environment or {}),
                input=given.encode(),
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            if not self.path.is_dir():
                raise FailedError(
                    f"no history in {self.path}", "the next `kernels add` makes it"
                ) from None
            raise MissingToolError("git is not installed", "apt-get install git") from None
        if done.returncode != 0:
            message = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise FailedError(
                f"{self.path}: git {arguments[0]}: {message[-1] if message else done.returncode}",
                "the history can be deleted: the next `kernels add` makes it again, unchanged",
            )
        return done.stdout.decode("utf-8", "replace").rstrip("\n")


def _alone(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing of this user's git (signing, encodings) counts."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean |= {"GIT_DIR": ".", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return without_hooks({**clean, **environment})
