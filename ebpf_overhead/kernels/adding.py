"""Puts kernels into the catalogue and the history, and takes them out."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ebpf_overhead.architectures import ARCHITECTURES, is_here
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels import debfile, debian, local, modules, signatures, store, userland
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.archives import Archives
from ebpf_overhead.kernels.catalogue import installed
from ebpf_overhead.kernels.describing import describe
from ebpf_overhead.kernels.image import read_banner
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.offers import Offer
from ebpf_overhead.kernels.record import KernelRecord
from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.kernels.upkeep import sync_history
from ebpf_overhead.kernels.versions import (
    check_release,
    looks_like_version,
    package_version,
    split_architecture,
)
from ebpf_overhead.printable import shortened


@dataclass(frozen=True)
class Choices:
    """What the user may choose for `add`.

    Parameters
    ----------
    flavour : str
        Debian flavour, empty for the ordinary one.
    delisted : bool
        Accept packages no signed list names, checked by module signatures.
    refresh : bool
        Download the lists again.
    all_modules : bool
        Keep every module.
    replace : bool
        Replace a different kernel of the same release.
    modules, config : Path or None
        Modules and configuration of an image that is given as a file.
    """

    flavour: str = ""
    delisted: bool = False
    refresh: bool = False
    all_modules: bool = False
    replace: bool = False
    modules: Path | None = None
    config: Path | None = None


class Adder:
    """Adds kernels to one data directory.

    Parameters
    ----------
    layout : Layout
        Where everything lies.
    apt : callable
        Returns the archive that Debian packages come from; called only when one is wanted.
    choices : Choices
        The user's choices.
    reporter : Reporter
        Receives progress and notes.
    """

    def __init__(
        self,
        layout: Layout,
        apt: Callable[[], PrivateApt],
        choices: Choices,
        reporter: Reporter,
    ) -> None:
        self.layout = layout
        self.choices = choices
        self.reporter = reporter
        self._archives = Archives(layout, apt)

    def add(self, wanted: Sequence[str]) -> list[str]:
        """Add kernels and bring the history up to date.

        Parameters
        ----------
        wanted : sequence of str
            Releases, versions, series, paths, ``stable``, ``newest`` or ``running``.  Several
            ``.deb`` files can be the parts of one kernel.  A version is never taken for a path:
            write ``./6.12``.

        Returns
        -------
        list of str
            The releases that were added, in the order given; those of ``.deb`` files last.

        Raises
        ------
        OverheadError
            When one cannot be added.  Those before it are added, those after it are not.
        """
        with self.layout.locked(self.reporter):
            debs = [Path(what) for what in wanted if what.endswith(".deb")]
            others = [what for what in wanted if not what.endswith(".deb")]
            # Unknown names are reported before the first download.
            offered = self._choose([what for what in others if _is_version(what)])
            try:
                added = [
                    self._add_offered(offered[what]) if what in offered else self._add_path(what)
                    for what in others
                ]
                added += self._add_debs(debs)
                self._add_programs(added)
                return added
            finally:
                sync_history(self.layout)

    def _choose(self, wanted: Sequence[str]) -> dict[str, debian.OfferedKernel]:
        how = self.choices
        options = (how.flavour, how.delisted, how.refresh, self.reporter)
        return {what: self._archives.choose(what, *options) for what in wanted}

    def _add_programs(self, releases: Sequence[str]) -> None:
        """Fetch what guests of another architecture than this machine's run."""
        added = [each for each in installed(self.layout) if each.release in releases]
        for arch in sorted({each.arch for each in added} & ARCHITECTURES.keys()):
            if not is_here(arch):
                architecture = ARCHITECTURES[arch]
                make = partial(self._archives.of, architecture.debian)
                userland.add(self.layout, architecture, make, self.reporter)

    def _add_path(self, what: str) -> str:
        path = Path(what)
        if what == "running":
            return self._add_running()
        kind = local.type_of(path)
        if kind == stat.S_IFDIR:
            return self._add_local(local.from_tree(path), "tree")
        if kind == stat.S_IFREG:
            kernel = local.from_files(path, self.choices.modules, self.choices.config)
            return self._add_local(kernel, "files")
        raise BadUseError(
            f"{shortened(what)!r} is neither a file nor a kernel version",
            "give a release, a series such as 6.12, a .deb, an image, a built tree or running",
        )

    def _add_offered(self, kernel: debian.OfferedKernel) -> str:
        if self._is_here(kernel):
            self.reporter.note(f"{kernel.release} is already here")
            return kernel.release
        started = time.monotonic()
        files = [self._fetch(package) for package in (*kernel.packages, *kernel.delisted)]
        fetched = time.monotonic()
        self._add_packages(kernel.release, files, self._origin(kernel), bool(kernel.delisted))
        self.reporter.note(
            f"{kernel.release}: fetched in {fetched - started:.1f} s, "
            f"unpacked in {time.monotonic() - fetched:.1f} s"
        )
        return kernel.release

    def _origin(self, kernel: debian.OfferedKernel) -> store.Origin:
        trust = "signed lists"
        if self._archives.usual.archive.allow_expired:
            trust += " whose validity dates were not checked"
        if kernel.delisted:
            trust += "; modules: the image's key; configuration: nothing"
        packages = (*kernel.packages, *kernel.delisted)
        return store.Origin(trust, tuple(f"{p.suite}: {p.filename}" for p in packages))

    def _is_here(self, kernel: debian.OfferedKernel) -> bool:
        here = {present.release: present for present in installed(self.layout)}.get(kernel.release)
        if here is None:
            return False
        fewer = self.choices.all_modules and not here.origin.all_modules
        sums = {package.sha256 for package in here.record.packages}
        return not fewer and all(package.sha256 in sums for package in kernel.packages)

    def _fetch(self, package: Offer) -> Path:
        target = self.layout.packages / package.filename
        if target.exists() and package.sha256 in ("", store.file_sha256(target)):
            return target

        def advance(done_bytes: int, of_bytes: int = package.size_bytes) -> None:
            self.reporter.progress(f"fetching {package.name}", done_bytes, of_bytes)

        self._archives.usual.download(package.uri, target, package.sha256 or None, advance)
        advance(target.stat().st_size, target.stat().st_size)
        return target

    def _add_debs(self, paths: Iterable[Path]) -> list[str]:
        groups: dict[str, list[Path]] = {}
        for path in paths:
            if local.type_of(path) != stat.S_IFREG:
                raise BadUseError(
                    f"{shortened(str(path))} is not a file", "give the path of a .deb file"
                )
            groups.setdefault(debfile.inspect(path).release, []).append(path)
        for release, files in groups.items():
            origin = store.Origin("the user's files", tuple(path.name for path in files))
            self._add_packages(release, files, origin, check_modules=False)
        return list(groups)

    def _add_packages(
        self, release: str, files: Sequence[Path], origin: store.Origin, check_modules: bool
    ) -> None:
        check_release(release)
        debs = sorted((debfile.inspect(path) for path in files), key=lambda deb: deb.record.name)
        keep_all = self.choices.all_modules
        with store.staging(self.layout.kernels, release) as staged:
            debfile.unpack(debs, release, staged, keep_all, self.reporter)
            if check_modules:
                folder = store.module_folder(staged, release)
                count = signatures.check_modules(staged / store.IMAGE, folder, self.reporter)
                self.reporter.note(f"{release}: the image's key vouches for its {count} modules")
            record = describe(read_banner(staged / store.IMAGE), "debian", staged)
            record = replace(
                record,
                version=package_version(release, debs[0].record.version),
                packages=tuple(deb.record for deb in debs),
            )
            if record.release != release:
                raise BadUseError(f"package of {release} holds an image of {record.release}")
            self._publish(staged, record, replace(origin, all_modules=keep_all))

    def _add_local(self, kernel: local.LocalKernel, source: str) -> str:
        release = check_release(kernel.banner.release)
        with store.staging(self.layout.kernels, release) as staged:
            local.copy_into(kernel, staged)
            record = describe(kernel.banner, source, staged)
            origin = store.Origin("the user's files", (str(kernel.tree or kernel.image),))
            self._publish(staged, record, origin)
        return release

    def _add_running(self) -> str:
        banner, config = local.running()
        release = check_release(banner.release)
        with store.staging(self.layout.kernels, release) as staged:
            if config is not None:
                (staged / store.CONFIG).write_text(config)
            record = describe(banner, "running", staged)
            self._publish(staged, record, store.Origin("the running kernel", ()))
        return release

    def _publish(self, staged: Path, record: KernelRecord, origin: store.Origin) -> None:
        store.refuse_other(self.layout.kernels, record, self.choices.replace)
        if store.module_folder(staged, record.release).is_dir():
            modules.index(staged, record.release)
        store.publish(staged, self.layout.kernels, record, origin)


def _is_version(what: str) -> bool:
    return split_architecture(what)[0] in debian.ALIASES or (
        "/" not in what and looks_like_version(what)
    )
