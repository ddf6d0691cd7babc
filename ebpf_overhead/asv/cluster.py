"""Kernels of the history measured by the workers of a Dask cluster, instead of here.

Instructions do not depend on the host, so each kernel may be measured anywhere.  A worker runs any
code that it is sent: without TLS, anyone who reaches one could have his own run there.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from ebpf_overhead.asv import cluster_task
from ebpf_overhead.asv.cluster_task import Done, Task, Tools
from ebpf_overhead.asv.side_by_side import KernelRun
from ebpf_overhead.asv.stored import configuration
from ebpf_overhead.asv.suite import CONFIGURATION
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.closing import scratch_directory
from ebpf_overhead.errors import BadUseError, FailedError, MissingToolError, OverheadError
from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.reading import read_text
from ebpf_overhead.trust import refuse_foreign

_WAIT_S = 30


def measure(
    kernels: Sequence[Kernel],
    scheduler: str,
    conf_path: Path,
    logs: Path,
    options: Sequence[str] = (),
) -> Iterator[KernelRun]:
    """Measure kernels on the workers of a cluster; what a worker takes with it is done again.

    Parameters
    ----------
    kernels : sequence of Kernel
        Kernels of this machine, which the workers have as well.
    scheduler : str
        Address of Dask's scheduler: ``tls://HOST:PORT``, or a plain one of this machine.
    conf_path : Path
        asv's, for kernels.
    logs : Path
        Directory for what each asv prints.
    options : sequence of str, optional
        For ``asv run``.

    Yields
    ------
    KernelRun
        In the order in which they end.  Its results are among those that asv reads.

    Raises
    ------
    OverheadError
        The address is no safe one, no scheduler answers there, or it has no workers.
    """
    scheduler = checked(scheduler)
    refuse_foreign(conf_path)
    workspace = Workspace(conf_path.absolute().parent)
    workspace.prepare()
    suite = _suite(conf_path, workspace)
    logs.mkdir(parents=True, exist_ok=True)
    with _client(scheduler) as client:
        _require_workers(client)
        of = {
            client.submit(
                cluster_task.run,
                _task(kernel, suite, options, workspace),
                key=f"{kernel.release}-{uuid4().hex}",
                pure=False,
            ): kernel.release
            for kernel in kernels
        }
        for future in _distributed().as_completed(list(of), loop=client.loop):
            yield _outcome(of[future], future, workspace, logs)


def checked(scheduler: str) -> str:
    """Return a scheduler's address in full.

    Raises
    ------
    BadUseError
        It is no address, or has no TLS and is not of this machine.
    """
    address = scheduler if "://" in scheduler else f"tcp://{scheduler}"
    try:
        parts = urlsplit(address)
        well_formed = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:
        well_formed = None
    if not well_formed:
        raise BadUseError(
            f"{scheduler} is no address of a scheduler", "give tls://HOST:PORT, or 127.0.0.1:PORT"
        )
    _refuse_plain(address)
    return address


def _refuse_plain(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "tls" or _is_loopback(parts.hostname or ""):
        return
    raise BadUseError(
        f"{address} has no TLS: anyone who reaches a worker could have his code run there",
        "use tls://, with the certificates in Dask's configuration (docs/asv.md)",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingToolError(
            "Dask is not installed, which --scheduler needs", "pip install 'ebpf-overhead[cluster]'"
        ) from error
    return distributed


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    dask = _distributed()
    # What it logs, tracebacks among it, is said again in a line by what is raised.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    try:
        client = dask.Client(
            scheduler,
            security=dask.Security(require_encryption=scheduler.startswith("tls")),
            timeout=_WAIT_S,
            set_as_default=False,
        )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise FailedError(
            f"no scheduler can be used at {scheduler}: {error}", "start one: dask scheduler"
        ) from error
    with client:
        yield client


def _require_workers(client: Any) -> None:
    try:
        client.wait_for_workers(1, timeout=_WAIT_S)
    except TimeoutError as error:
        remedy = f"dask worker {client.scheduler.address}"
        raise FailedError("the scheduler has no workers", remedy) from error
    for address in client.scheduler_info()["workers"]:
        _refuse_plain(address)


def _suite(conf_path: Path, workspace: Workspace) -> dict[str, str]:
    """Return the texts of what asv reads, as a worker has them."""
    conf = configuration(conf_path)
    benchmarks = workspace.root / conf.benchmark_dir
    text = json.dumps({"version": conf.api_version, **vars(conf), **cluster_task.PLACES})
    files = {str(CONFIGURATION): text}
    for path in benchmarks.rglob("*.py"):
        files[f"benchmarks/{path.relative_to(benchmarks)}"] = read_text(path)
    for path in workspace.committed_results.glob("*/machine.json"):
        files[str(path.relative_to(workspace.root))] = read_text(path)
    return files


def _task(
    kernel: Kernel, suite: Mapping[str, str], options: Sequence[str], workspace: Workspace
) -> Task:
    commit, record = workspace.find(kernel.release)
    stored = workspace.results.glob(f"*/{commit[:8]}-*.json")
    files = {str(path.relative_to(workspace.root)): read_text(path) for path in stored}
    return Task(
        record.to_json(),
        kernel.release,
        Tools.here(kernel.arch),
        tuple(options),
        {**suite, **files},
    )


def _outcome(release: str, future: Any, workspace: Workspace, logs: Path) -> KernelRun:
    log = logs / f"{release}.log"
    try:
        done: Done = future.result()
    except OverheadError as error:
        return KernelRun(release, 1, 0, log, str(error))
    except Exception as error:  # whatever else a worker, or Dask, raised
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return KernelRun(release, 1, 0, log, reason)
    log.write_text(done.log, encoding="utf-8")
    with scratch_directory() as folder:
        for name, text in done.results.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        workspace.bring(folder)
    return KernelRun(release, done.exit_status, done.seconds, log)
