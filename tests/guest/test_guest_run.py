"""Commands in a guest: output, exit statuses, time-outs, what they can write and leave."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.guest import session
from ebpf_overhead.guest.client import LOST
from ebpf_overhead.guest.errors import GuestTimeoutError


def python(guest, code, **options):
    return guest.run([sys.executable, "-c", code], **options)


def test_guest_is_the_kernel_asked_for(guest, kernel):
    assert guest.run(["uname", "-r"]).stdout == f"{kernel.release}\n"


def test_description_and_boot_time(guest):
    assert guest.description["accel"] == "tcg"
    assert guest.description["clock"] == "icount"
    assert (
        guest.run(["cat", "/proc/cmdline"]).stdout.strip()
        == (guest.description["kernel_command_line"])
    )
    assert 0 < guest.boot_seconds < 120


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_exit_status(guest, status):
    assert guest.run(["sh", "-c", f"exit {status}"]).exit_status == status
    assert python(guest, f"raise SystemExit({status})").exit_status == status


def test_signal_is_a_negative_status(guest):
    assert guest.run(["sh", "-c", "kill -9 $$"]).exit_status == -signal.SIGKILL
    assert python(guest, "import os; os.abort()").exit_status == -signal.SIGABRT


def test_missing_program(guest):
    done = guest.run(["no-such-program"])
    assert done.exit_status == 127
    assert "no-such-program" in done.stderr


def test_streams_are_told_apart_and_come_as_they_are_written(guest):
    seen = []
    done = guest.run(
        ["sh", "-c", "echo out; echo err >&2"], on_output=lambda *chunk: seen.append(chunk)
    )
    assert (done.stdout, done.stderr) == ("", "")  # Not kept as well.
    assert sorted(seen) == [("stderr", b"err\n"), ("stdout", b"out\n")]


def test_megabytes_of_output_arrive_whole(guest):
    chunks = []
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 12000)"
    done = python(guest, code, on_output=lambda _, data: chunks.append(data))
    assert done.exit_status == 0
    assert b"".join(chunks) == bytes(range(256)) * 12000


def test_command_that_prints_without_end_is_killed(guest, monkeypatch):
    monkeypatch.setattr(session, "MOST_KEPT_BYTES", 1 << 20)
    with pytest.raises(FailedError, match="yes was killed in the guest: it printed more than 1 M"):
        guest.run(["yes"], timeout=300)
    assert guest.run(["echo", "alive"]).stdout == "alive\n"


def test_environment_and_directory(guest):
    done = guest.run(
        ["sh", "-c", "pwd; echo $NEW $EBPF_OVERHEAD_CLOCK"], cwd="/usr", env={"NEW": "x"}
    )
    assert done.stdout == "/usr\nx icount\n"


def test_python_is_forked_with_everything_imported(guest):
    imported = "'ebpf_overhead.measure.stats' in sys.modules"
    code = f"import sys, os; print({imported}, os.getppid(), sys.argv)"
    assert python(guest, code).stdout == "True 1 ['-c']\n"


def test_forked_command_takes_at_most_half_a_second(guest):
    python(guest, "pass")
    times_s = []
    for _ in range(5):
        began_s = time.monotonic()
        python(guest, "pass")
        times_s.append(time.monotonic() - began_s)
    assert min(times_s) < 0.5, times_s


def test_many_connections_in_a_row(guest):
    # The port may read as hung up by the last host when the next one's hello is there already;
    # its answer was once dropped then, within a hundred connections or so.
    for number in range(200):
        assert python(guest, f"print({number})").stdout == f"{number}\n"


def test_time_out_kills_the_command_and_spares_the_guest(guest):
    began_s = time.monotonic()
    with pytest.raises(GuestTimeoutError) as caught:
        guest.run(["sh", "-c", "echo begun; sleep 1000000 & exec sleep 1000000"], timeout=5)
    assert time.monotonic() - began_s < 60
    assert caught.value.stdout == "begun\n"
    assert "after 5 s" in str(caught.value)
    assert guest.run(["true"]).exit_status == 0


def test_busy_loop_is_killed_too(guest):
    with pytest.raises(GuestTimeoutError):
        python(guest, "while True: pass", timeout=1)
    assert guest.run(["true"]).exit_status == 0


def processes(guest):
    code = "import os; print(*[p for p in os.listdir('/proc') if p.isdigit()" \
        " and os.path.exists(f'/proc/{p}/exe')])"  # fmt: skip
    return python(guest, code).stdout.split()


def test_nothing_of_a_command_is_left_running(guest):
    before = len(processes(guest))
    guest.run(["sh", "-c", "(setsid sleep 1000000 &) ; exit 0"])
    assert len(processes(guest)) == before


def test_hanging_up_kills_the_command(guest):
    with guest.session() as session:
        session.start(["sleep", "1000000"])
        session.ping()
    assert guest.run(["pidof", "sleep"]).exit_status == 1


def test_second_command_at_a_time_is_refused(guest):
    with guest.session() as session:
        session.start(["sleep", "1000000"])
        session.start(["true"])
        assert session.receive(time.monotonic() + 60)["event"] == "refused"


def test_terminal(guest):
    # The one before it leaves a command behind: what is typed must wait for its end as well.
    with guest.session() as session:
        session.start(["sleep", "1000000"])
    with guest.session() as session:
        session.start(["sh", "-c", "stty size; tty; read x; echo got $x"], terminal=(33, 99))
        session.type(b"typed\n")
        text, event = b"", {}
        while event.get("event") != "exit":
            event = session.receive(time.monotonic() + 60)
            if event["event"] == "output":
                text += base64.b64decode(event["data"])
    assert b"33 99" in text
    assert b"/dev/pts/" in text
    assert b"got typed" in text


def test_client_of_another_process(guest):
    command = [sys.executable, "-m", "ebpf_overhead.guest.client", "--cwd", "/", "--env", "A=b c"]
    done = subprocess.run(
        [*command, str(guest.socket_path), "--", "sh", "-c", "echo $A; exit 6"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (6, "b c\n"), done.stderr


def test_killed_client_takes_its_command_along(guest):
    command = [sys.executable, "-m", "ebpf_overhead.guest.client", str(guest.socket_path)]
    with subprocess.Popen(
        [*command, "--", "sh", "-c", "echo begun; sleep 1000000"], stdout=subprocess.PIPE
    ) as client:
        assert client.stdout.readline() == b"begun\n"
        client.kill()
    assert guest.run(["pidof", "sleep"]).exit_status == 1


def test_client_without_a_guest(tmp_path):
    command = [sys.executable, "-m", "ebpf_overhead.guest.client", str(tmp_path / "absent")]
    code = (
        "import sys; import ebpf_overhead.guest.client as c, ebpf_overhead.guest.session as s;"
        "s.Session.__init__.__defaults__ = (0.1, lambda: False, lambda: None);"
        "sys.exit(c.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [command[0], "-c", code, command[-1], "--", "true"], capture_output=True, check=False
    )
    assert done.returncode == LOST


# What it can write.


def test_share_is_writable_both_ways(guest):
    (guest.share / "from-host").write_text("host")
    script = f"cat {guest.share}/from-host; echo guest > {guest.share}/from-guest"
    assert guest.run(["sh", "-c", script]).stdout == "host"
    assert (guest.share / "from-guest").read_text() == "guest\n"


def test_nothing_else_of_the_host_is_writable(guest, tmp_path):
    # Here as an ordinary user would see it: the tree and this directory are the user's own.
    tree = Path(__file__).parents[2]
    script = f"""
        for place in /usr {tree}; do
            mount -o remount,rw $place 2>/dev/null
            touch $place/written-by-guest 2>/dev/null && echo $place
        done
        true
    """
    assert guest.run(["sh", "-c", script]).stdout == ""
    assert not (tree / "written-by-guest").exists()
    assert not Path("/usr/written-by-guest").exists()


def test_the_guests_own_directories_are_not_the_hosts(guest):
    name = f"/etc/written-by-guest-{os.getpid()}"
    assert guest.run(["touch", name]).exit_status == 0
    assert not Path(name).exists()


def test_scratch_directories_are_the_guests_own(guest):
    for place in ("/tmp", "/var/tmp", "/root", "/run"):
        name = f"{place}/written-by-guest-{os.getpid()}"
        assert guest.run(["touch", name]).exit_status == 0
        # A plain user may not look into /root, and QEMU, which is that user's, not write there.
        assert not os.access(place, os.X_OK) or not Path(name).exists()


def test_starting_twice_is_bad_use(guest):
    with pytest.raises(BadUseError):
        guest.start()
