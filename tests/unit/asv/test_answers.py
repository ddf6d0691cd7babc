"""A class that only reads its cache is answered at once, with what asv's runner would say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

from asv.runner import BENCHMARK_RUN_SCRIPT

from ebpf_overhead.asv.plugin import answering, answers

SUITE = """
from asv_runner.benchmarks.mark import SkipNotImplemented


class Read:
    only_read_cache = True
    params = (["a", "b", "broken", "missing"],)

    def setup_cache(self):
        return {"a": 1.5, "b": {"samples": [1, 2], "number": 3}}

    def setup(self, cache, name):
        if name == "missing":
            raise SkipNotImplemented("unsupported: not here")
        print("reading", name)
        self.value = cache[name]

    def track_value(self, cache, name):
        return self.value

    def track_other(self, cache, name):
        return 7


class Plain:
    def setup_cache(self):
        return 5

    def track_value(self, cache):
        return cache
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("answers") / "suite"
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "one.py").write_text(SUITE)
    return directory


def run(cwd: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def fill(suite: Path, cwd: Path, name: str) -> dict[str, tuple[str, str]]:
    words = [BENCHMARK_RUN_SCRIPT, "setup_cache", str(suite), name, "{}"]
    cwd.mkdir()
    run(cwd, *answers.fill_and_answer(words))
    assert (cwd / "cache.pickle").exists()
    return json.loads((cwd / answering.FILE).read_text())


@pytest.fixture(scope="module")
def cache(suite) -> Path:
    directory = suite.with_name("cache")
    fill(suite, directory, "one.Read.track_other")
    return directory


def words(suite: Path, identity: str, result: Path, attributes="{}", profile="None") -> list[str]:
    return [BENCHMARK_RUN_SCRIPT, "run", str(suite), identity, attributes, profile, str(result)]


def known(suite: Path, cache: Path, identity: str, result: Path, **more: str) -> object:
    options = {"cwd": str(cache), "return_stderr": True}
    return answers.known(words(suite, identity, result, **more), options)


@pytest.mark.parametrize(
    "identity",
    ["one.Read.track_value-0", "one.Read.track_value-1", "one.Read.track_value-3",
     "one.Read.track_other-0"],
)  # fmt: skip
def test_answer_is_what_asvs_runner_says(suite, cache, tmp_path, identity):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.touch()
    said = run(cache, *words(suite, identity, theirs))
    assert known(suite, cache, identity, ours) == (said, "", 0)
    assert ours.read_text() == theirs.read_text()


@pytest.mark.parametrize(
    ("identity", "more"),
    [
        ("one.Read.track_value-2", {}),  # It fails: asv's runner says how.
        ("one.Plain.track_value", {}),
        ("one.Read.track_value-0", {"attributes": '{"timeout": 1}'}),
        ("one.Read.track_value-0", {"profile": "profile"}),
    ],
)
def test_what_is_not_known_is_run(suite, cache, tmp_path, identity, more):
    result = tmp_path / "result"
    result.touch()
    assert known(suite, cache, identity, result, **more) is None
    assert not result.read_text()


def test_attributes_of_times_do_not_matter(suite, cache, tmp_path):
    result = tmp_path / "result"
    result.touch()
    quick = '{"number": 1, "repeat": 1, "warmup_time": 0, "rounds": 1}'
    assert known(suite, cache, "one.Read.track_other-0", result, attributes=quick)
    assert result.read_text() == "7"


def test_only_classes_that_say_so_are_answered(suite, tmp_path):
    assert fill(suite, tmp_path / "cache", "one.Plain.track_value") == {}


@pytest.mark.parametrize("content", ["[]", "{", '{"one.Read.track_value-0": 1}'])
def test_answers_that_are_none_are_no_answers(suite, tmp_path, content):
    (tmp_path / answering.FILE).write_text(content)
    assert known(suite, tmp_path, "one.Read.track_value-0", tmp_path / "result") is None


def test_result_is_not_written_through_a_link(suite, cache, tmp_path):
    other, result = tmp_path / "other", tmp_path / "result"
    other.write_text("somebody's")
    result.symlink_to(other)
    assert known(suite, cache, "one.Read.track_value-0", result)
    assert (result.read_text(), result.is_symlink()) == ("1.5", False)
    assert other.read_text() == "somebody's"


@pytest.mark.parametrize("command", ["run", "discover", "check"])
def test_other_commands_stay_as_they_are(command):
    words = ["benchmark.py", command, "suite"]
    assert answers.fill_and_answer(words) == words
