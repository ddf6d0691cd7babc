"""Kernels of the catalogue and those under version control: their files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import click
from formats import (
    FORMATS,
    RELEASE,
    Format,
    documents,
    put,
    run,
    texts,
)
from kernels_fakes import (
    CONFIG,
    Silent,
    make_record,
)
from mutations import wrong_document

from ebpf_overhead.kernels import (
    committed,
    kconfig,
    store,
    upkeep,
)
from ebpf_overhead.kernels.layout import Layout

# Kernels of the catalogue, and those under version control.

KERNEL = json.loads(make_record(RELEASE).to_json())
KERNEL["packages"] = [
    {"name": f"linux-image-{RELEASE}", "version": "1", "architecture": "amd64", "source": "linux",
     "sha256": "0" * 64}
]  # fmt: skip
ORIGIN = {"trust": "a test", "places": ["x"], "all_modules": True, "added": "2026-01-01"}


def installed_kernel(place: Path, **files: bytes) -> Layout:
    layout = Layout(place, place / "history")
    whole = {"kernel.json": json.dumps(KERNEL), "origin.json": json.dumps(ORIGIN)}
    whole |= {"config": "CONFIG_A=y\n", "SHA256SUMS": "0  config\n"}
    directory = layout.kernels / RELEASE
    for name, text in whole.items():
        put(directory, name, files.get(name, text.encode()))
    good = make_record("6.1.1-amd64")
    put(layout.kernels / good.release, "kernel.json", good.to_json().encode())
    put(layout.kernels / good.release, "origin.json", json.dumps(ORIGIN).encode())
    return layout


def listing(name: str) -> Callable[[bytes, Path], object]:
    def use(content: bytes, place: Path) -> None:
        layout = installed_kernel(place, **{name: content})
        for arguments in (["list"], ["list", "--json"], ["verify"]):
            with contextlib.suppress(click.exceptions.Exit):
                run("kernels", "--data", str(place), *arguments)
        assert upkeep.remove(layout, ["6.1.1-amd64"], False, Silent()) == ["6.1.1-amd64"]
        assert upkeep.remove(layout, [RELEASE], False, Silent()) == [RELEASE]
        assert store.releases(layout.kernels) == []

    return use


documents("kernel.json", [KERNEL], listing("kernel.json"), weight=8)
documents("origin.json", [ORIGIN], listing("origin.json"), weight=8)
texts("SHA256SUMS", ["0  config\n" * 3], listing("SHA256SUMS"), weight=8)
texts("config of a kernel", [CONFIG], listing("config"), weight=8)


def read_config(content: bytes, place: Path) -> None:
    text = kconfig.read(put(place, "config", content))
    kconfig.digest(text)
    kconfig.features(text)


texts("build configuration", [CONFIG], read_config)


def read_committed(content: bytes, place: Path) -> None:
    put(place, f"{RELEASE}/kernel.json", content)
    list(committed.read(place))


FORMATS["committed kernel"] = Format(
    wrong_document([json.loads(make_record(RELEASE).to_json())]),
    read_committed,
    [make_record(RELEASE).to_json().encode()],
)
