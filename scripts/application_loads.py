"""Real applications that are kept busy: a server with its clients, or a build."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ebpf_overhead.closing import Closing
from ebpf_overhead.workload.command import UserCommand

ROOT = Path(__file__).resolve().parents[1]
# Servers and clients have a CPU each.
SERVER_CPU, CLIENTS_CPU = 0, 1
# A server needs so long until it is as busy as it will be.
SETTLING_S = 0.05
PATIENCE_S = 10.0
SOURCE = ROOT / "ebpf_overhead/workload/_workload_gaps.c"
OBJECTS = 16


class Count(tuple[int, int]):
    """How much was done until now, and the CPU time in ns that it took."""

    def each_since(self, earlier: Count) -> float:
        """Return the CPU time per piece of work since an earlier moment, in ns."""
        return (self[1] - earlier[1]) / self.done_since(earlier)

    def done_since(self, earlier: Count) -> int:
        """Return how much was done since."""
        done = self[0] - earlier[0]
        if done <= 0:
            sys.exit("the load has stopped: it did nothing for a while")
        return done


class Server(Closing):
    """A server and clients that never stop asking; they rest while nobody looks.

    Parameters
    ----------
    server, clients : str
        Their commands.
    port : int
        Where the server listens.
    question : bytes
        What asks it, without an end of the connection, how many requests there were.
    key : bytes
        What stands before that number in its answer.
    """

    what = "request"

    def __init__(
        self, server: str, clients: str, *, port: int, question: bytes, key: bytes
    ) -> None:
        self._question, self._key, self._asked = question, key, 0
        self._held = ExitStack()
        try:
            # A server ends its own children then; clients that rest obey nothing but SIGKILL.
            first = self._start(server, SERVER_CPU, "TERM")
            self._connection = self._held.enter_context(_connected(port))
            self._clients = self._start(clients, CLIENTS_CPU, "KILL")
            time.sleep(1)
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
            self._pids = [first, *map(int, children), self._clients]
            os.kill(self._clients, signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End both."""
        self._held.close()

    def _start(self, command: str, cpu: int, at_our_end: str) -> int:
        """Start a process on a CPU; it gets a signal when this one ends, whatever ends it."""
        begin = ["setpriv", "--pdeathsig", at_our_end, "taskset", "-c", str(cpu)]
        words = [*begin, *shlex.split(command)]
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

        def end() -> None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

        self._held.callback(end)
        return process.pid

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Have the clients ask while the block runs."""
        os.kill(self._clients, signal.SIGCONT)
        try:
            time.sleep(SETTLING_S)
            yield
        finally:
            os.kill(self._clients, signal.SIGSTOP)

    def work(self, seconds: float) -> None:
        """Let it work for so long."""
        time.sleep(seconds)

    def count(self) -> Count:
        """Return how many requests of clients there were, and the CPU time of all."""
        self._connection.sendall(self._question)
        text = b""
        while not text.partition(self._key)[2].partition(b"\n")[1]:
            text += self._connection.recv(1 << 16)
        number = text.partition(self._key)[2].partition(b"\n")[0].split()[-1]
        self._asked += 1
        return Count((int(number) - self._asked, sum(map(cpu_ns, self._pids))))


class Build(Closing):
    """``make -j2`` of a few objects.

    Parameters
    ----------
    folder : Path
        Where it is built.
    """

    what = "build"

    def __init__(self, folder: Path) -> None:
        include = sysconfig.get_paths()["include"]
        rule = f"\tcc -O1 -I{include} -I{SOURCE.parent} -c {SOURCE} -o $@"
        names = " ".join(f"{number}.o" for number in range(OBJECTS))
        (folder / "Makefile").write_text(f"all: {names}\n{names}:\n{rule}\n")
        self._command = UserCommand.of(f"make -C {folder} -j2 -r -B -s")
        self._count = Count((0, 0))
        self._command.run()  # what it reads is in memory then

    def close(self) -> None:
        """Nothing of it runs between two builds."""

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Do nothing: it begins when it is to work."""
        yield

    def work(self, seconds: float) -> None:
        """Build until so long has passed, and once at least."""
        began_s = time.monotonic()
        while True:
            builds, spent_ns = self._count
            self._count = Count((builds + 1, spent_ns + self._command.run().cpu_ns))
            if time.monotonic() - began_s >= seconds:
                return

    def count(self) -> Count:
        """Return the number of builds, and their CPU time."""
        return self._count


Application = Server | Build


def redis() -> Server:
    """Return a server with 50 clients of its own that get a value."""
    port = 7791
    return Server(
        f"redis-server --port {port} --save '' --appendonly no",
        f"redis-benchmark -p {port} -t get -n 1000000000 -c 50",
        port=port,
        question=b"INFO stats\r\n",
        key=b"total_commands_processed:",
    )


def nginx(folder: Path) -> Server:
    """Return a server with 16 clients that get a page of 1 KB."""
    port = 7792
    (folder / "page").write_bytes(b"x" * 1000)
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; user root; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 64; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1d;
    server {{
        listen 127.0.0.1:{port}; root {folder};
        location /status {{ stub_status; }}
    }}
}}
""")
    return Server(
        f"nginx -p {folder} -c {folder}/nginx.conf",
        f"wrk -t 1 -c 16 -d 24h http://127.0.0.1:{port}/page",
        port=port,
        question=f"GET /status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(),
        key=b"requests\n",
    )


def cpu_ns(pid: int) -> int:
    """Return the CPU time of the threads that a process has now."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def _connected(port: int) -> socket.socket:
    """Return a connection to a server that is starting."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def require(*programs: str) -> None:
    """End with a line where programs are missing."""
    if missing := [name for name in programs if shutil.which(name) is None]:
        sys.exit(f"{', '.join(missing)} not found: install what has them (Debian: apt)")
