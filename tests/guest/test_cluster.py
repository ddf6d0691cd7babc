"""Kernels measured by a Dask cluster on this machine; one of its two workers is killed midway."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import guest_support
import pytest
from processes import COMMAND, ROOT, environment, run_command

psutil = pytest.importorskip("psutil", reason="Dask is not installed")
pytest.importorskip("distributed", reason="Dask is not installed")
pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

SUITE = '''"""Two cases, measured in one go."""

from ebpf_overhead.hooks.cases import select

from .common import Tracked, cached, counted


class Two(Tracked):
    params = ["empty", "simple"]
    unit = "instructions"
    version = "1"

    def setup_cache(self):
        return counted(select(["tp_btf"], self.params))

    def setup(self, cache, program):
        self.measurement = cached(cache, select(["tp_btf"], [program])[0].name)

    def track_overhead(self, cache, program):
        return self.measurement.overhead.estimate
'''


class Suite:
    """The configuration for kernels with a small suite, and what a run of it stores."""

    def __init__(self, folder, kernels):
        self.folder = folder
        self.kernels = [kernel.release for kernel in kernels]
        (folder / "benchmarks").mkdir(parents=True)
        for name in ("asv.kernels.json", "benchmarks/__init__.py", "benchmarks/common.py"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "benchmarks/two.py").write_text(SUITE)
        # Results of guests are filed under the committed machine, wherever they come from.
        machine = folder / "results/kernels/vm"
        machine.mkdir(parents=True)
        shutil.copy(ROOT / "results/kernels/vm/machine.json", machine)

    def command(self, *options):
        conf = str(self.folder / "asv.kernels.json")
        return ["kernels", "measure", "--config", conf, "--bench", "two", *options, *self.kernels]

    def results(self):
        found = {}
        for path in (self.folder / ".asv/kernels/results/vm").glob("*-*.json"):
            stored = json.loads(path.read_text())
            found[path.name] = stored["results"]["two.Two.track_overhead"][0]
        return found


class Cluster:
    """A scheduler and two workers that know each other by a certificate."""

    def __init__(self, folder):
        folder.mkdir()
        self.work = folder / "work"
        self.work.mkdir()
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        # As Dask's configuration has it, for all of them and for the command.
        self.environment = {
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(certificate),
            **{
                f"DASK_DISTRIBUTED__COMM__TLS__{role}__{what}": str(path)
                for role in ("SCHEDULER", "WORKER", "CLIENT")
                for what, path in (("CERT", certificate), ("KEY", key))
            },
        }
        self._file = folder / "scheduler.json"
        options = ["--protocol=tls", "--port=0", "--no-dashboard", "--no-show"]
        self._processes = [
            self._start("scheduler", *options, f"--scheduler-file={self._file}"),
            *(self._start("worker", f"--scheduler-file={self._file}", "--protocol=tls",
                          "--nthreads=1", "--no-nanny", "--no-dashboard",
                          f"--local-directory={folder}") for _ in range(2)),
        ]  # fmt: skip

    def _start(self, role, *options):
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{role}", "--host=127.0.0.1", *options],
            env=environment(**self.environment, TMPDIR=str(self.work)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def address(self):
        until(self._file.exists, "the scheduler")
        return json.loads(self._file.read_text())["address"]

    def kill_a_worker_that_measures(self):
        """Kill a worker with a guest by SIGKILL; the process id of the guest's QEMU."""
        found = until(
            lambda: next(
                ((worker, child.pid) for worker in self._processes[1:]
                 for child in psutil.Process(worker.pid).children(recursive=True)
                 if child.name().startswith("qemu")), None), "a guest"
        )  # fmt: skip
        found[0].send_signal(signal.SIGKILL)
        return found[1]

    def end(self):
        for process in self._processes:
            process.kill()
            process.wait()


def until(happens, what):
    deadline_s = time.monotonic() + 240
    while not (found := happens()):
        assert time.monotonic() < deadline_s, f"waited for {what} in vain"
        time.sleep(0.02)
    return found


@contextmanager
def running(command, **variables):
    with subprocess.Popen(
        [*COMMAND, *command],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def cluster(kernels, tmp_path):
    guest_support.require()
    found = Cluster(tmp_path / "cluster")
    try:
        yield found
    finally:
        found.end()


def test_what_a_killed_worker_took_with_it_is_measured_again(kernels, cluster, tmp_path):
    chosen = list(dict.fromkeys((kernels[0], kernels[-1])))
    alone, spread = (Suite(tmp_path / name, chosen) for name in ("alone", "spread"))
    with running(spread.command("--scheduler", cluster.address), **cluster.environment) as process:
        guest = cluster.kill_a_worker_that_measures()
        assert guest_support.gone(guest, within_s=60)
        printed, _ = process.communicate(timeout=400)
    assert process.returncode == 0, printed
    assert [printed.count(f"{kernel.release}: measured (") for kernel in chosen] == [1] * len(
        chosen
    )
    assert run_command(*alone.command("--jobs=2"), timeout=400).returncode == 0
    there, here = spread.results(), alone.results()
    assert there.keys() == here.keys()
    for name, values in here.items():
        assert there[name] == pytest.approx(values, abs=0.1), f"{name}: to the instruction"
    assert len(spread.results()) == len(chosen)
    until(lambda: not list(cluster.work.glob("ebpf-overhead-*")), "the killed worker's files")
