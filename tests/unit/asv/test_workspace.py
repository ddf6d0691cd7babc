"""History and results that asv works on, out of what is committed and what is here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from kernels_fakes import make_record

from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.cli import main
from ebpf_overhead.errors import BadUseError, ExitStatus, FailedError
from ebpf_overhead.kernels import committed
from ebpf_overhead.kernels.layout import Layout

OLD = make_record("6.1.0-56-amd64", "6.1.192-2")
MIDDLE = make_record("6.12.118+deb13-amd64", "6.12.118-1")
NEW = make_record("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1")


class Place(Workspace):
    """A workspace with committed kernels, and a catalogue of kernels that are here."""

    @property
    def layout(self):
        return Layout(self.root / "data", self.root / "data/history")

    def add(self, record):
        """Add a kernel of this machine."""
        folder = self.layout.kernels / record.release
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernel.json").write_text(record.to_json())
        (folder / "origin.json").write_text('{"trust": "a test", "places": []}')

    def commits(self, warn=lambda text: None):
        """Prepare, and return the commits by release."""
        self.prepare(self.layout, warn)
        return {record.release: commit for commit, record in self.history.records().items()}

    def store(self, folder, commit, value, moment=1, clock="icount"):
        """Store a result as asv does."""
        stored = {
            "commit_hash": commit,
            "env_vars": {"CLOCK": clock},
            "result_columns": ["result", "started_at"],
            "results": {"x.track": [[value], moment]},
        }
        path = folder / "vm" / f"{commit:.8}-{clock}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored))
        (path.parent / "machine.json").write_text('{"machine": "vm", "version": 1}')
        return path


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    for record in (OLD, NEW):
        committed.write(place.committed_kernels, (record, None))
    return place


def value(path):
    return json.loads(path.read_text())["results"]["x.track"][0][0]


def test_history_is_of_committed_kernels_and_of_those_here_and_hashes_stay(place):
    before = place.commits()
    assert list(before) == [OLD.release, NEW.release]
    place.add(MIDDLE)
    place.add(NEW)  # which is committed, too: one kernel
    after = place.commits()
    assert list(after) == [OLD.release, MIDDLE.release, NEW.release]
    assert {release: after[release] for release in before} == before
    assert place.history.hashes() == after


def test_another_build_of_a_committed_release_is_another_revision_and_has_the_tag(place):
    before = place.commits()
    place.add(replace(OLD, build="#2 SMP"))
    place.prepare(place.layout)
    records = place.history.records()
    assert [record.build for record in records.values()] == [OLD.build, "#2 SMP", NEW.build]
    assert records[before[OLD.release]] == OLD
    assert records[place.history.hashes()[OLD.release]].build == "#2 SMP"


def test_damaged_kernels_of_this_machine_leave_the_committed_ones(place):
    place.add(MIDDLE)
    (place.layout.kernels / MIDDLE.release / "kernel.json").write_text("[")
    warnings = []
    assert list(place.commits(warnings.append)) == [OLD.release, NEW.release]
    assert MIDDLE.release in warnings[0]


def test_damaged_committed_kernels_are_an_error(place):
    (place.committed_kernels / OLD.release / "kernel.json").write_text("[")
    with pytest.raises(FailedError, match=OLD.release):
        place.prepare(place.layout)


def test_results_begin_with_the_committed_ones_and_runs_do_not_reach_those(place):
    commit = place.commits()[OLD.release]
    kept = place.store(place.committed_results, commit, 1.0)
    place.prepare(place.layout)
    own = place.results / "vm" / kept.name
    assert value(own) == 1.0
    place.store(place.results, commit, 2.0, moment=2)
    place.prepare(place.layout)
    assert (value(own), value(kept)) == (2.0, 1.0)
    place.store(place.committed_results, commit, 3.0, moment=3)  # another clone's, by git pull
    place.prepare(place.layout)
    assert value(own) == 3.0


@pytest.mark.parametrize("folder", [".asv/kernels", "results", "results/kernels"])
def test_nothing_is_written_where_another_user_could_have_put_a_link(place, folder):
    (place.root / folder).mkdir(parents=True, exist_ok=True)
    (place.root / folder).chmod(0o777)
    victim = place.root / "victim"
    victim.write_text("as it was")
    (place.root / ".asv/kernels").mkdir(parents=True, exist_ok=True)
    (place.root / ".asv/kernels/.lock").symlink_to(victim)
    for action in (place.commits, lambda: place.keep(place.layout, lambda record: True)):
        with pytest.raises(BadUseError, match="everybody can write"):
            action()
    assert victim.read_text() == "as it was"
    assert not (place.root / ".asv/kernels/history").exists()


def test_two_at_once_wait_for_each_other(place):
    commit = place.commits()[OLD.release]
    kept = place.store(place.committed_results, commit, 1.0)
    program = (
        "import sys; from pathlib import Path;"
        "from ebpf_overhead.asv.workspace import Workspace;"
        "[Workspace(Path(sys.argv[1])).prepare() for _ in range(5)]"
    )
    words = [sys.executable, "-c", program, str(place.root)]
    environment = {"PATH": "/usr/bin:/bin", "EBPF_OVERHEAD_DATA": str(place.layout.root)}
    running = [subprocess.Popen(words, env=environment) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert value(place.results / "vm" / kept.name) == 1.0
    assert sorted(path.name for path in (place.results / "vm").iterdir()) == [
        kept.name,
        "machine.json",
    ]


def test_keep_copies_counted_results_and_their_kernels(place):
    place.add(MIDDLE)
    place.add(replace(NEW, release="7.3.4-mine"))
    commits = place.commits()
    counted = place.store(place.results, commits[MIDDLE.release], 5.0)
    place.store(place.results, commits[MIDDLE.release], 6.0, clock="wall")
    place.store(place.results, commits["7.3.4-mine"], 7.0)
    changed = place.keep(place.layout, lambda record: record.release == MIDDLE.release)
    assert changed == [place.committed_results / "vm" / counted.name]
    assert value(changed[0]) == 5.0
    assert MIDDLE in [record for record, _ in committed.read(place.committed_kernels)]
    assert len(list(committed.read(place.committed_kernels))) == 3
    assert place.keep(place.layout, lambda record: record.release == MIDDLE.release) == []


def test_keep_leaves_a_kernel_out_for_which_everything_failed(place):
    place.add(MIDDLE)
    path = place.store(place.results, place.commits()[MIDDLE.release], 5.0)
    stored = json.loads(path.read_text())
    stored["results"]["x.track"] = [None, 1]  # as asv writes it
    path.write_text(json.dumps(stored))
    assert place.keep(place.layout, lambda record: True) == []
    assert MIDDLE not in [record for record, _ in committed.read(place.committed_kernels)]


def test_keep_does_not_replace_a_committed_kernel_by_another_build(place):
    place.add(replace(OLD, build="#2 SMP"))
    place.prepare(place.layout)
    kept = place.store(place.results, place.history.hashes()[OLD.release], 5.0)
    with pytest.raises(BadUseError, match="another build"):
        place.keep(place.layout, lambda record: True)
    assert not (place.committed_results / "vm" / kept.name).exists()


def test_the_host_is_not_described_in_the_place_of_a_committed_machine(place):
    """asv run writes what the host is into the folder of its name, which may be that one."""
    commits = place.commits()
    place.store(place.committed_results, commits[NEW.release], 1.0)
    place.commits()
    described = place.results / "vm/machine.json"
    committed_one = described.read_text()
    described.write_text('{"machine": "vm", "cpu": "EPYC", "version": 1}')
    place.commits()
    assert described.read_text() == committed_one


def test_a_series_is_its_newest_kernel_or_its_newest_with_results(place):
    """A kernel that was merely fetched hides no results of an older one of its series."""
    fetched = make_record("6.1.0-99-amd64", "6.1.999-1")
    place.add(fetched)
    commits = place.commits()
    place.store(place.results, commits[OLD.release], 5.0)
    assert place.find("6.1")[1].release == fetched.release
    assert place.find("6.1", measured=True)[1].release == OLD.release
    assert place.find(fetched.release, measured=True)[1].release == fetched.release
    assert place.find("7.3", measured=True)[1].release == NEW.release


class TestCommand:
    """``ebpf-overhead kernels keep``."""

    @pytest.fixture
    def keep(self, place):
        (place.root / "asv.kernels.json").write_text("{}")
        config = str(place.root / "asv.kernels.json")

        def keep(*what):
            words = ["kernels", "--data", str(place.layout.root), "keep", "--config", config]
            return CliRunner().invoke(main, [*words, *what])

        return keep

    def test_it_names_the_files_that_changed(self, place, keep):
        place.add(MIDDLE)
        commits = place.commits()
        place.store(place.results, commits[MIDDLE.release], 5.0)
        place.store(place.results, commits[NEW.release], 6.0)
        run = keep("6.12", OLD.release)
        file = f"results/kernels/vm/{commits[MIDDLE.release]:.8}-icount.json"
        assert run.output.splitlines() == [file, "files that changed: 1"]
        assert (place.root / file).exists()
        assert keep().output.splitlines()[-1] == "files that changed: 1"
        assert keep().output == "files that changed: 0\n"

    def test_an_unknown_kernel_is_bad_use_and_nothing_is_kept(self, place, keep):
        place.store(place.results, place.commits()[NEW.release], 6.0)
        run = keep("7.3", "5.4")
        assert run.exit_code == ExitStatus.BAD_USE
        assert "no kernel of the history is called '5.4'; choose 6.1.0-56-amd64 or 7" in run.output
        assert not place.committed_results.exists()
