"""Every format and file that a command reads, and every value of the command line, with nonsense.

Whatever is read, the answer is a result or one error of the project: never another exception,
never a control character in its text, never without end.  ``EBPF_OVERHEAD_FUZZ=10000`` is the
number of inputs in all; by default there are few, always the same.
"""

from __future__ import annotations

import math
import os

import kernel_formats
import package_formats
import program_formats
import pytest
import record_formats
from formats import FORMATS, Format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watchdog import bounded

from ebpf_overhead.errors import OverheadError

# Each fills FORMATS.
_ = (kernel_formats, package_formats, program_formats, record_formats)
INPUTS = int(os.environ.get("EBPF_OVERHEAD_FUZZ") or 0)
# By default always the same ones: what changes from run to run is for those who look for faults.
EACH = (INPUTS or 1000) / sum(1 / subject.weight for subject in FORMATS.values())


@pytest.fixture(autouse=True)
def own_directories(tmp_path_factory, monkeypatch):
    """Nothing that the user of this machine has is read or written."""
    for variable in ("EBPF_OVERHEAD_DATA", "EBPF_OVERHEAD_OBJECTS", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp("own")))
    monkeypatch.delenv("EBPF_OVERHEAD_HISTORY", raising=False)


@pytest.mark.parametrize("name", FORMATS)
def test_nonsense_is_one_error(name, tmp_path_factory):
    subject: Format = FORMATS[name]

    @settings(
        max_examples=math.ceil(EACH / subject.weight),
        deadline=None,
        database=None,
        derandomize=not INPUTS,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data):
        content = data.draw(subject.inputs)
        place = tmp_path_factory.mktemp("fuzz")
        with bounded():
            try:
                subject.use(content, place)
            except subject.answers as error:
                assert_is_one_line(error)

    check()


def assert_is_one_line(error: BaseException) -> None:
    if isinstance(error, OverheadError):
        assert all(each.isprintable() or each in "\n\t" for each in str(error)), repr(str(error))
        assert len(str(error)) < 40_000


def test_what_is_fuzzed_is_read_when_nothing_is_wrong_with_it(tmp_path):
    """A format whose valid inputs were refused would hide what lies behind the refusal."""
    for name, subject in FORMATS.items():
        for number, content in enumerate(subject.valid):
            place = tmp_path / f"{name}-{number}"
            place.mkdir()
            subject.use(content, place)
