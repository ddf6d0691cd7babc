"""The records of several processes as one."""

from __future__ import annotations

import json

import jsonschema
import pytest
from records import MEASURED, record, unmeasured

from ebpf_overhead.measure.processes import of_processes
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.report.several_processes import combined
from ebpf_overhead.studies.registry import schema


def found(*estimates, case=MEASURED, **changed):
    """Return the records of processes that found these overheads of one case."""
    return [
        {**record(), "cases": [{**case, **changed, "overhead": overhead(each)}]}
        for each in estimates
    ]


def overhead(estimate, half=2.0):
    low, high = estimate - half, estimate + half
    return {"estimate": estimate, "low": low, "high": high, "confidence": 0.99}


def test_a_single_record_stays_as_it_is():
    (alone,) = found(50.0)
    assert combined([alone]) is alone


def test_overhead_is_that_of_all_and_each_is_kept():
    whole = combined(found(50.0, 54.0, 52.0))
    jsonschema.validate(whole, schema())
    (case,) = whole["cases"]
    expected = of_processes(
        [Interval(**overhead(each)) for each in (50.0, 54.0, 52.0)], Scatter(), 0
    )
    assert Interval(**case["overhead"]) == expected
    assert case["overhead_percent"]["estimate"] == pytest.approx(100 * 52 / 100.5)
    assert [each["estimate"] for each in case["by_process"]] == [50.0, 54.0, 52.0]
    assert whole["processes"] == 3
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


def test_what_is_counted_is_added_and_windows_are_kept():
    first, second = found(50.0, 50.0, foreign_hits=None)
    second["cases"][0] |= {"calls_per_window": 700, "map_entries": 9}
    (case,) = combined([first, second])["cases"]
    assert (case["calls"], case["hits"], case["loadings"], case["windows"]) == (4000, 4000, 6, 12)
    assert case["foreign_hits"] is None
    assert (case["calls_per_window"], case["map_entries"]) == (700, 9)
    assert case["samples"]["probed"] == MEASURED["samples"]["probed"] * 2
    assert case["probed"]["median"] == 150.5


def test_undisturbed_calls_are_those_that_the_overhead_is_of():
    quiet = {"baseline": 90.0, "probed": 140.0, "unrest": 0.1}
    first, second = found(50.0, 60.0, undisturbed=quiet)
    second["cases"][0]["undisturbed"] = {"baseline": 100.0, "probed": 160.0}
    (case,) = combined([first, second])["cases"]
    assert case["undisturbed"] == {"baseline": 95.0, "probed": 150.0, "unrest": 0.05}
    assert case["overhead"]["estimate"] == 55.0
    assert case["overhead_percent"]["estimate"] == pytest.approx(100 * 55 / 95)


def test_precision_is_that_of_the_whole():
    precise = combined(found(*[100.0] * 9, stopped_by="time"))
    assert precise["cases"][0]["stopped_by"] == "precision"
    apart = combined(found(90.0, 110.0, stopped_by="precision"))
    assert apart["cases"][0]["stopped_by"] == "time"


def test_the_scatter_of_the_machine_has_its_degrees():
    records = found(50.0, 51.0, undisturbed={"baseline": 100.0, "probed": 160.0})
    known = {"scatter": {"relative": 0.003, "degrees": 20}}
    for each in records:
        each["options"] = {**each["options"], **known}
    (case,) = combined(records)["cases"]
    both = [Interval(**overhead(each)) for each in (50.0, 51.0)]
    assert Interval(**case["overhead"]) == of_processes(both, Scatter(0.003, 20), 160)


def test_a_case_that_one_process_could_not_measure_is_not_measured():
    good, bad = found(50.0, 50.0)
    bad["cases"] = [unmeasured("tp_btf", "failed", "did not fire")]
    (case,) = combined([good, bad, good])["cases"]
    assert case["status"] == "failed"
    assert case["reason"] == "in process 2 of 3: did not fire"
    (case,) = combined([bad, bad])["cases"]
    assert case["reason"] == "did not fire"


def test_differences_are_those_of_all_processes():
    records = found(50.0, 54.0)
    for number, each in enumerate(records):
        each["cases"] *= 3
        each["differences"] = [
            {
                "target": "getpid",
                "first": {"case": 0, "attach": "tp_btf", "program": "simple"},
                "second": {"case": second, "attach": "tp_btf", "program": "empty"},
                "difference": overhead(10.0 + 2 * number),
                "paired": True,
            }
            for second in (1, 2)[: 2 - number]
        ]
    (difference,) = combined(records)["differences"]
    assert difference["second"]["case"] == 1
    assert difference["difference"]["estimate"] == 11.0
    assert difference["paired"] is True


def test_statistics_that_were_on_in_any_process_are_said():
    first, second = found(50.0, 50.0)
    assert "statistics" not in combined([first, second])["cases"][0]
    second["cases"][0]["statistics"] = True
    assert combined([first, second])["cases"][0]["statistics"] is True


def test_findings_of_any_process_are_said():
    records = found(50.0, 50.0, 50.0)
    early = {"what": "returned early"}
    records[1]["cases"][0]["findings"] = [early]
    records[2]["cases"][0]["findings"] = [early]
    assert combined(records)["cases"][0]["findings"] == [early]


def test_what_disturbed_one_of_them_disturbed_the_whole():
    noise = {
        **{"cpu": 1, "seconds": 2.0, "interrupts_per_s": 100.0, "stolen_share": 0.0},
        **{"siblings_share": None, "others_share": 0.9, "throttled": 1, "governor": "powersave"},
    }
    first, second = found(50.0, 50.0, preempted=3)
    first["noise"] = noise
    second["noise"] = noise | {"stolen_share": 0.2, "others_share": 0.1, "throttled": 2}
    whole = combined([first, second])
    jsonschema.validate(whole, schema())
    assert whole["noise"] == noise | {"seconds": 4.0, "stolen_share": 0.2, "throttled": 3}
    assert whole["cases"][0]["preempted"] == 6
