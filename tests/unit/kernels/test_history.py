import os
import subprocess
from dataclasses import replace

import pytest
from kernels_fakes import make_record

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import kconfig
from ebpf_overhead.kernels.history import History, without_hooks
from ebpf_overhead.kernels.record import PackageRecord

OLD = make_record("5.10.0-46-amd64", "5.10.262-1", "2026-07-31")
CANDIDATE = make_record("6.12-rc3-amd64", "6.12~rc3-1", "2024-10-20")
MIDDLE = make_record("6.12.117+deb13-amd64", "6.12.117-1", "2026-11-12")
NEW = make_record("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1", "2026-01-01")


def git(history, *arguments):
    command = ["git", "-C", str(history.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "history")


def test_commits_are_in_version_order_with_tags_and_dates(history):
    history.sync([(NEW, None), (OLD, None), (MIDDLE, None), (CANDIDATE, None)])
    log = git(history, "log", "--reverse", "--format=%s %ad %cd", "--date=short", "main")
    assert log.splitlines() == [
        "5.10.0-46-amd64 2026-07-31 2026-07-31",
        "6.12-rc3-amd64 2024-10-20 2024-10-20",
        "6.12.117+deb13-amd64 2026-11-12 2026-11-12",
        "7.3.4+deb13-amd64 2026-01-01 2026-01-01",
    ]
    assert list(history.hashes()) == [r.release for r in (OLD, CANDIDATE, MIDDLE, NEW)]
    assert git(history, "rev-parse", f"{MIDDLE.release}^") == history.hashes()[CANDIDATE.release]


def test_a_commit_holds_the_record_and_the_configuration(history):
    history.sync([(OLD, "CONFIG_A=y\n"), (NEW, None)])
    assert git(history, "show", f"{OLD.release}:config") == "CONFIG_A=y"
    assert git(history, "ls-tree", "--name-only", NEW.release) == "kernel.json"
    assert history.record(OLD.release) == OLD


def test_a_hash_depends_on_its_kernel_alone(history, tmp_path):
    history.sync([(MIDDLE, "CONFIG_A=y\n"), (NEW, None)])
    before = history.hashes()
    history.sync([(NEW, None), (OLD, None), (MIDDLE, "CONFIG_A=y\n"), (CANDIDATE, None)])
    grown = history.hashes()
    assert {release: grown[release] for release in before} == before
    history.sync([(NEW, None)])
    assert history.hashes() == {NEW.release: before[NEW.release]}
    alone = History(tmp_path / "elsewhere")
    alone.sync([(NEW, None)])
    assert alone.hashes() == history.hashes()


def test_the_hash_of_a_kernel_is_the_same_for_everybody(history):
    """Stored results, also published ones, name kernels by these hashes: they must not change."""
    config = "CONFIG_DEBUG_INFO_BTF=y\n"
    sums = {"vmlinuz": "0" * 64, "config": "1" * 64}
    record = replace(
        OLD,
        packages=(PackageRecord("linux-image-5.10", "5.10.262-1", "amd64", "linux (1)", "2" * 64),),
        sha256=sums,
        config_digest=kconfig.digest(config),
        features=kconfig.features(config),
    )
    history.sync([(record, config)])
    assert history.hashes()[OLD.release] == "feddb72f9e6ed06824a1686f46e76fc8dd9abc5b"


def test_a_changed_kernel_changes_its_hash_alone(history):
    history.sync([(OLD, None), (NEW, None)])
    before = history.hashes()
    rebuilt = make_record(OLD.release, OLD.version, "2026-08-01")
    history.sync([(rebuilt, None), (NEW, None)])
    after = history.hashes()
    assert after[OLD.release] != before[OLD.release]
    assert after[NEW.release] == before[NEW.release]


def test_the_users_git_settings_do_not_reach_the_hash(history, tmp_path, monkeypatch):
    history.sync([(OLD, None), (NEW, None)])
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[user]\nname = Somebody\nemail = me@localhost\n[i18n]\ncommitEncoding = latin1\n"
        "[commit]\ngpgSign = true\n[core]\nautocrlf = true\n[init]\ndefaultBranch = trunk\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    other = History(tmp_path / "other")
    other.sync([(OLD, None), (NEW, None)])
    assert other.hashes() == history.hashes()
    assert git(other, "rev-list", "main").split() == list(reversed(history.hashes().values()))


def test_a_git_that_ignores_replacements_is_refused(history, monkeypatch):
    monkeypatch.setenv("GIT_NO_REPLACE_OBJECTS", "1")
    with pytest.raises(BadUseError, match="git shows 1 of 2 kernels"):
        history.sync([(OLD, None), (NEW, None)])


def test_syncing_again_writes_nothing(history):
    history.sync([(OLD, None), (NEW, None)])
    stamps = {path: path.stat().st_mtime_ns for path in (history.path / "refs").rglob("*")}
    history.sync([(NEW, None), (OLD, None)])
    assert {path: path.stat().st_mtime_ns for path in (history.path / "refs").rglob("*")} == stamps


def test_the_repository_is_sound_and_its_commits_survive_gc(history):
    history.sync([(OLD, None), (MIDDLE, None), (NEW, None)])
    before = history.hashes()
    git(history, "gc", "--quiet", "--prune=now")
    assert git(history, "fsck", "--full", "--strict") == ""
    assert history.hashes() == before


def test_a_kernel_can_be_checked_out_as_asv_does_it(history, tmp_path):
    history.sync([(OLD, None), (NEW, None)])
    clone = tmp_path / "checkout"
    source = str(history.path)
    subprocess.run(["git", "clone", "-q", "--shared", source, str(clone)], check=True)
    history.sync([(OLD, None), (MIDDLE, None), (NEW, None)])  # Added after the clone.
    for record in (OLD, MIDDLE, NEW):
        commit = history.hashes()[record.release]
        subprocess.run(["git", "-C", str(clone), "checkout", "-qf", commit], check=True)
        assert record.release in (clone / "kernel.json").read_text()


def test_no_kernels_no_history(history):
    assert history.hashes() == {}
    history.sync([])
    assert history.hashes() == {}
    history.sync([(OLD, None)])
    history.sync([])
    assert history.hashes() == {}


def test_failure_of_git_is_an_error_with_its_message(history):
    history.sync([(OLD, None)])
    with pytest.raises(FailedError, match="git show"):
        history.record("9.9")

    (history.path / "HEAD").write_text("damaged\n")
    with pytest.raises(FailedError, match=r"git config: .*can be deleted"):
        history.sync([(OLD, None)])


HOOK = "#!/bin/sh\ntouch {marker}\n"


def plant_hook(history, marker):
    hook = history.path / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(marker=marker))
    hook.chmod(0o755)
    return hook


def test_no_hook_of_the_repository_runs(history, tmp_path):
    history.sync([(OLD, None)])
    marker = tmp_path / "ran"
    plant_hook(history, marker)
    history.sync([(OLD, None), (NEW, None)])
    assert list(history.hashes()) == [OLD.release, NEW.release]
    assert not marker.exists()
    git(history, "tag", "by-hand", "main")  # The same hook, run by a git that is not told.
    assert marker.exists()


@pytest.mark.parametrize("foreign", [".", "hooks/reference-transaction", "config"])
def test_what_another_user_could_have_written_is_refused(history, tmp_path, foreign):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    history.sync([(OLD, None)])
    marker = tmp_path / "ran"
    plant_hook(history, marker)
    os.chown(history.path / foreign, 54321, -1)
    with pytest.raises(BadUseError, match="belongs to user 54321"):
        History(history.path)


def test_asv_runs_no_hook_either(history, tmp_path):
    history.sync([(OLD, None)])
    marker = tmp_path / "ran"
    plant_hook(history, marker)
    command = ["git", "-C", str(history.path), "tag", "again", "main"]
    environment = without_hooks({**os.environ, "GIT_CONFIG_COUNT": "0"})
    subprocess.run(command, check=True, env=environment)
    assert not marker.exists()


def test_a_history_that_is_not_there_is_not_taken_for_a_missing_git(history):
    with pytest.raises(FailedError, match="no history in "):
        history.record(OLD.release)
