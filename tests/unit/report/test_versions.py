"""Records that older versions wrote, real ones: each is read as one of today's."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from ebpf_overhead.cli import main
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.record import SCHEMA_VERSION
from ebpf_overhead.report.versions import upgraded
from ebpf_overhead.studies import registry
from ebpf_overhead.tools import records

SAMPLES = Path(__file__).parents[2] / "data" / "records"
# Sample of version 1 to its study or tool.
STUDIES = {
    "measure_1": "grid",
    "measure_guest_1": "grid",
    "beside_1": "grid",
    "bystanders_1": "grid",
    "bpf_stats_1": "grid",
    "cohabitation_1": "coattachment",
    "scaling_1": "scaling",
    "map_state_1": "map-state",
    "attach_latency_1": "attach-latency",
    "validation_1": "validation",
    "profile_1": "profile",
    "estimate_1": "estimate",
    "top_1": "top",
}


def sample(name: str) -> dict:
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", STUDIES)
def test_older_record_becomes_one_of_today(name):
    read = upgraded(sample(name))
    assert (read["schema"], read["study"]) == (SCHEMA_VERSION, STUDIES[name])
    room = records if STUDIES[name] in records.RECORDS else registry
    # estimate and top did not tell the machine.
    jsonschema.validate({"machine": {}, **read}, room.schema(STUDIES[name]))


@pytest.mark.parametrize("name", [name for name in STUDIES if STUDIES[name] in registry.STUDIES])
def test_older_record_has_its_tables(name):
    read = upgraded(sample(name))
    measured = [case for case in read["cases"] if case["status"] == "measured"]
    assert measured
    text = registry.to_markdown(read)
    shown = ("attach", "program", "state")
    assert all(any(case.get(name, "?") in text for name in shown) for case in measured)


@pytest.mark.parametrize("name", ["cohabitation", "coattachment"])
def test_plot_reads_it(name):
    path = SAMPLES / "cohabitation_1.json"
    run = CliRunner().invoke(main, ["plot", name, str(path)])
    assert run.exit_code == 0, run.output
    assert "| tp_btf | 2 |" in run.output


def test_a_record_of_today_is_left_alone():
    read = upgraded(sample("measure_1"))
    assert upgraded(read) is read


@pytest.mark.parametrize("version", [0, 3, None, "2"])
def test_a_version_that_is_not_known_is_refused(version):
    with pytest.raises(BadUseError, match=f"cannot be used: its schema is {version!r}, not 1 to 2"):
        upgraded({**sample("measure_1"), "schema": version})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda given: given["cases"][0].pop("overhead"), "case 0 cannot be used: "),
        (lambda given: given["cases"][0].update(status="lost"), "case 0 cannot be used: "),
        (lambda given: given["cases"][0]["samples"].update(probed="many"), "case 0 cannot be used"),
        (lambda given: given["options"].update(time_s="long"), "json cannot be used: "),
        (lambda given: given.update(cases={}), "json cannot be used: "),
        (lambda given: given["machine"].pop("kernel"), "json cannot be used: "),
        (lambda given: given.update(kind="fortune"), "no study is called 'fortune'"),
        (lambda given: given.update(kind=["a"]), "no study is called "),
    ],
)
def test_a_damaged_record_is_one_line(tmp_path, damage, said):
    given = sample("cohabitation_1")
    damage(given)
    path = tmp_path / "given.json"
    path.write_text(json.dumps(given))
    run = CliRunner().invoke(main, ["plot", "coattachment", str(path)])
    assert run.exit_code == 2
    assert said in run.output
    assert len(run.output.splitlines()) == 1
