"""Kernels whose description is under version control, so that their commit can be made anywhere.

A kernel's commit is made of ``kernel.json`` and the build configuration.  Both are kept as plain
files, one folder per release.  With them the kernel history is rebuilt without the kernel, with
the same hashes as where the kernel was measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels.record import KernelRecord, from_json
from ebpf_overhead.kernels.store import CONFIG, RECORD
from ebpf_overhead.reading import read_text

# A kernel as `History.sync` takes it: its record and its configuration's text.
DescribedKernel = tuple[KernelRecord, str | None]


def read(folder: Path) -> Iterator[DescribedKernel]:
    """Yield the kernels that are described in a folder.

    Parameters
    ----------
    folder : Path
        Holds one folder per release; need not exist.

    Raises
    ------
    FailedError
        A description is damaged: it would make another commit.
    """
    for path in sorted(folder.glob(f"*/{RECORD}")):
        text = read_text(path)
        record = from_json(text.encode(), str(path))
        config_path = path.with_name(CONFIG)
        config = read_text(config_path) if config_path.exists() else None
        found = None if config is None else hashlib.sha256(config.encode()).hexdigest()
        if record.to_json() != text or record.sha256.get(CONFIG) != found:
            raise FailedError(
                f"{path.parent}: not as it was written", f"git checkout -- {path.parent}"
            )
        yield record, config


def write(folder: Path, kernel: DescribedKernel) -> None:
    """Describe a kernel in a folder, for `read`.

    Parameters
    ----------
    folder : Path
        Holds one folder per release.
    kernel : DescribedKernel
        Record and configuration.

    Raises
    ------
    BadUseError
        Another build of the same release is there.
    """
    record, config = kernel
    place = folder / record.release
    text = record.to_json()
    if (place / RECORD).exists() and (place / RECORD).read_text(encoding="utf-8") != text:
        raise BadUseError(
            f"{place} describes another build of {record.release}",
            f"git rm -r {place}, if its results are not wanted any more",
        )
    place.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (place / CONFIG).write_text(config, encoding="utf-8")
    (place / RECORD).write_text(text, encoding="utf-8")
