"""Every study has a folder, a row and what its row promises; records find theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from records import record

from ebpf_overhead import studies
from ebpf_overhead.cli import main
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.studies import registry
from ebpf_overhead.studies.study import Study

FOLDERS = {path.parent.name for path in Path(studies.__file__).parent.glob("*/__init__.py")}


def test_every_folder_has_a_row_and_every_row_a_folder():
    assert {name.replace("-", "_") for name in registry.STUDIES} == FOLDERS


@pytest.mark.parametrize("name", registry.STUDIES)
def test_every_study_is_found_and_has_a_figure_where_it_is_plotted(name):
    study = registry.load(name)
    assert isinstance(study, Study)
    assert (study.figure is not None) == (name in registry.FIGURES)


def test_a_name_of_before_is_the_same_study():
    assert registry.load("cohabitation") is registry.load("coattachment")


def test_unknown_names_are_bad_use():
    with pytest.raises(BadUseError, match=r"no study is called 'gird'; did you mean grid\?"):
        registry.of({**record(), "study": "gird"})


def test_records_find_their_study():
    assert registry.of(record()) is registry.load("grid")
    for name in registry.STUDIES:
        assert registry.of({**record(), "study": name}) is registry.load(name)


def test_plot_offers_the_studies_with_figures():
    run = CliRunner().invoke(main, ["plot", "no-such", "record.json"])
    assert run.exit_code == ExitStatus.BAD_USE
    assert all(name in run.output for name in registry.FIGURES)
