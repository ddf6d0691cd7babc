"""What was seen of a program -> whether it did its work, and what is said of it."""

from __future__ import annotations

import errno

import pytest

from ebpf_overhead.bpf.helpers import HELPERS, UNLESS_CREATING
from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.errors import FailedError
from ebpf_overhead.measure.findings import Judgement
from ebpf_overhead.measure.judgement import Seen, judge
from ebpf_overhead.programs.event_buffers import BufferUse
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.watching import Count, WatchedCall

LOOKUP, UPDATE, DELETE, READ, TAIL_CALL = 1, 2, 3, 4, 12
POP, TIMER_INIT, LOOP, RESERVE_DYNPTR = 88, 169, 181, 198
PERF_OUTPUT, STACK, PUSH, RING_OUTPUT, RESERVE, TASK_STORAGE = 25, 27, 87, 130, 131, 156
SIZES = {
    "seen": Dimensions(MapType.HASH, 8, 8, 64),
    "cells": Dimensions(MapType.ARRAY, 4, 8, 4),
}


def count(
    helper: int | None, calls: int, failures: int = 0, number: int = 0, name="seen", **more: bool
) -> Count:
    site = WatchedCall(0, None if helper is None else HELPERS[helper], name, **more)
    return Count(site, calls, failures, number)


def judged(*counts: Count, **more) -> Judgement:
    return judge(Seen(counts=counts, runs=1000, sizes=SIZES, **more))


def failed(judgement: Judgement) -> str:
    with pytest.raises(FailedError) as caught:
        judgement.check("mine.c", "give it more")
    return str(caught.value)


def said(judgement: Judgement) -> list[str]:
    judgement.check("mine.c", "")
    return [each.what for each in judgement.findings]


def test_program_that_did_all_of_its_work_is_not_mentioned():
    few = [count(LOOKUP, 1000, 1), count(DELETE, 1000, 999, errno.ENOENT)]
    assert said(judged(count(UPDATE, 1000), *few, count(READ, 1000, 10, errno.EFAULT))) == []


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (
            count(UPDATE, 1000, 936, errno.E2BIG),
            "mine.c lost updates: map seen full with 64 entries (E2BIG in 936 of 1,000 calls of"
            " bpf_map_update_elem); give it more",
        ),
        (
            count(PUSH, 1000, 1000, errno.E2BIG),
            "mine.c lost updates: map seen full with 64 entries (E2BIG in all of 1,000 calls of"
            " bpf_map_push_elem); give it more",
        ),
        (
            count(UPDATE, 1000, 3, errno.ENOSPC),
            "mine.c lost updates: map seen full with 64 entries (ENOSPC in 3 of 1,000 calls of"
            " bpf_map_update_elem); give it more",
        ),
        (
            # A function of the program's own is handed the map.
            count(UPDATE, 1000, 500, errno.E2BIG, ""),
            "mine.c lost updates: a map has no room for the key (E2BIG in 500 of 1,000 calls of"
            " bpf_map_update_elem); give it more",
        ),
        (
            count(UPDATE, 1000, 1, errno.ENOMEM),
            "mine.c bpf_map_update_elem of map seen failed in 1 of 1,000 calls: ENOMEM (no memory"
            " for another element); give it more",
        ),
        (
            count(UPDATE, 1000, 1000, errno.E2BIG, "cells"),
            "mine.c bpf_map_update_elem of map cells failed in all of 1,000 calls: E2BIG (the"
            " array has 4 elements)",
        ),
        (
            count(UPDATE, 1000, 1000, errno.EBUSY),
            "mine.c bpf_map_update_elem of map seen failed in all of 1,000 calls: EBUSY (another"
            " update held the map)",
        ),
        (
            count(TAIL_CALL, 1000, 1000),
            "mine.c made tail calls of map seen that lead nowhere, in all of 1,000 calls: no"
            " program is there; put one there",
        ),
        (
            count(STACK, 1000, 1000, errno.EFAULT),
            "mine.c bpf_get_stackid of map seen failed in all of 1,000 calls: EFAULT (the memory"
            " cannot be read)",
        ),
        (
            count(RING_OUTPUT, 1000, 11, errno.EAGAIN),
            "mine.c bpf_ringbuf_output of map seen failed in 11 of 1,000 calls: EAGAIN (no room in"
            " the buffer); give the buffer more room",
        ),
        (
            count(RESERVE, 1000, 500),
            "mine.c bpf_ringbuf_reserve of map seen failed in 500 of 1,000 calls: no room; give"
            " the buffer more room",
        ),
        (
            count(PERF_OUTPUT, 1000, 1000, errno.ENOENT),
            "mine.c bpf_perf_event_output of map seen failed in all of 1,000 calls: ENOENT"
            " (nobody reads it on that CPU); give the buffer more room",
        ),
        (
            count(STACK, 1000, 500, errno.EEXIST),
            "mine.c bpf_get_stackid of map seen failed in 500 of 1,000 calls: EEXIST (another stack"
            " has its place); give it more",
        ),
        (
            count(TASK_STORAGE, 1000, 1000),
            "mine.c bpf_task_storage_get of map seen failed in all of 1,000 calls: no room",
        ),
        (
            count(RESERVE_DYNPTR, 1000, 500, errno.EINVAL),
            "mine.c bpf_ringbuf_reserve_dynptr of map seen failed in 500 of 1,000 calls: EINVAL;"
            " give the buffer more room",
        ),
    ],
)
def test_program_that_did_not_do_its_work_fails(count, words):
    assert failed(judged(count)) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (
            count(UPDATE, 1000, 1000, errno.EEXIST),
            "bpf_map_update_elem of map seen failed in all of 1,000 calls: EEXIST (the key was"
            " there)",
        ),
        (
            count(UPDATE, 1000, 3, errno.EBUSY),
            "bpf_map_update_elem of map seen failed in 3 of 1,000 calls: EBUSY (another update"
            " held the map)",
        ),
        (count(LOOKUP, 1000, 1000), "found no key of map seen in all of 1,000 calls"),
        (
            count(DELETE, 1000, 1000, errno.ENOENT),
            "bpf_map_delete_elem of map seen failed in all of 1,000 calls: ENOENT (no such key)",
        ),
        (
            count(READ, 1000, 250, errno.EFAULT, ""),
            "bpf_probe_read failed in 250 of 1,000 calls: EFAULT (the memory cannot be read)",
        ),
        (
            count(READ, 1000, 1000, errno.EFAULT, ""),
            "bpf_probe_read failed in all of 1,000 calls: EFAULT (the memory cannot be read)",
        ),
        (
            count(TAIL_CALL, 1000, 5),
            "made tail calls of map seen that lead nowhere, in 5 of 1,000 calls: no program is"
            " there",
        ),
        (
            count(RING_OUTPUT, 1000, 10, errno.EAGAIN),
            "bpf_ringbuf_output of map seen failed in 10 of 1,000 calls: EAGAIN (no room in the"
            " buffer)",
        ),
        (
            count(STACK, 1000, 3, errno.EEXIST),
            "bpf_get_stackid of map seen failed in 3 of 1,000 calls: EEXIST (another stack has its"
            " place)",
        ),
        (
            count(LOOP, 1000, 1000, errno.E2BIG, ""),
            "bpf_loop failed in all of 1,000 calls: E2BIG",
        ),
        (
            count(TIMER_INIT, 1000, 1000, errno.EBUSY, ""),
            "bpf_timer_init failed in all of 1,000 calls: EBUSY",
        ),
    ],
)
def test_what_fails_now_and_then_is_said(count, words):
    assert said(judged(count)) == [words]


def test_findings_are_data_too():
    (finding,) = judged(count(READ, 1000, 250, errno.EFAULT, "")).findings
    assert (finding.helper, finding.errno, finding.map) == ("bpf_probe_read", "EFAULT", None)
    assert (finding.times, finding.calls) == (250, 1000)


def test_calls_of_a_helper_for_one_map_are_added_up():
    found = judged(count(LOOKUP, 600, 600), count(LOOKUP, 400, 400), count(LOOKUP, 5, 1, name="x"))
    assert said(found) == ["found no key of map seen in all of 1,000 calls"]


def test_what_a_program_counts_itself_has_the_map_and_the_errno():
    full = judged(count(UPDATE, 1000, 936, errno.E2BIG), lost_updates=152945)
    assert "mine.c lost 152945 updates: map seen full with 64 entries (E2BIG in" in failed(full)
    exists = judged(count(UPDATE, 1000, 1000, errno.EEXIST), lost_updates=3000)
    assert failed(exists) == (
        "mine.c failed to do its work 3000 times (lost_updates): bpf_map_update_elem of map seen"
        " failed in all of 1,000 calls: EEXIST (the key was there)"
    )
    assert failed(judged(lost_updates=3)) == "mine.c failed to do its work 3 times (lost_updates)"


EARLY = "the program returned early in 100 % of 1,000 runs: it changed no map and handed nothing on"


def test_program_that_returns_early_every_time():
    assert said(judged(count(LOOKUP, 0), count(UPDATE, 0), count(None, 0))) == [EARLY]
    assert said(judged(count(LOOKUP, 1000), count(None, 0))) == [EARLY]


@pytest.mark.parametrize(
    "counts",
    [
        [count(LOOKUP, 1000), count(None, 990), count(UPDATE, 0)],
        [count(None, 400), count(None, 600, name="cells")],
        # How often that place was passed is not known.
        [count(None, 1, counted=False)],
        [count(READ, 1000)],
        [count(READ, 1000), *(count(each, 0, name="lost_updates") for each in (LOOKUP, None))],
        [],
    ],
)
def test_program_that_works_or_has_no_work_to_do_does_not_return_early(counts):
    assert said(judged(*counts)) == []


@pytest.mark.parametrize(
    ("counts", "often"),
    [
        ([count(LOOKUP, 1000), count(UPDATE, 1)], "at least 99.9 %"),
        # What follows other work says nothing of the runs that have none.
        ([count(None, 500), count(UPDATE, 500, first=False)], "at least 50 %"),
        ([count(None, 300), count(None, 300)], "at least 40 %"),
        # Writing that the map is full is no work.
        ([count(UPDATE, 500), count(None, 500, name="lost_updates")], "at least 50 %"),
    ],
)
def test_program_that_returns_early_at_a_share_of_runs(counts, often):
    assert said(judged(*counts)) == [EARLY.replace("100 %", often)]


@pytest.mark.parametrize(("own", "words"), [(950, []), (1000, ["at least 5 %"])])
def test_runs_for_other_processes_may_return_early(own, words):
    found = said(judged(count(UPDATE, 950), own_runs=own))
    assert found == [EARLY.replace("100 %", often) for often in words]


def test_share_that_is_not_all_is_not_rounded_to_all():
    seen = Seen(counts=[count(UPDATE, 1)], runs=200_000, sizes=SIZES)
    assert "at least 99.99 % of 200,000 runs" in said(judge(seen))[0]


def test_map_that_a_program_never_came_to_change():
    """It counts its runs, and turns them away then."""
    counted, kept = count(None, 1000, name="total"), count(UPDATE, 0, first=False)
    assert said(judged(counted, kept)) == ["map seen was changed in none of 1,000 runs"]
    assert said(judged(counted, kept, count(None, 9, first=False))) == []


def test_value_of_an_unknown_map_may_be_of_any_map():
    assert said(judged(count(None, 1000, name=""), count(UPDATE, 0, first=False))) == []


def test_buffer_that_never_had_a_record_is_said_once():
    counted, handed = count(None, 1000), count(RING_OUTPUT, 0, name="out", first=False)
    buffers = [BufferUse("out", records=0, lost=0, full=0)]
    (what,) = said(judged(counted, handed, buffers=buffers, used={"out"}))
    assert what == "no record came out of buffer out"


def state(entries: int, kind: str = "hash", name: str = "seen") -> MapState:
    return MapState(name, kind, entries, 64, evicts="lru" in kind)


def test_storage_that_is_not_there_is_a_key_that_is_not_found():
    looked = WatchedCall(0, UNLESS_CREATING[TASK_STORAGE], "begun")
    found = said(judged(Count(looked, 1000, 1000, 0), count(UPDATE, 1000)))
    assert found == ["found no key of map begun in all of 1,000 calls"]


def test_program_that_is_kept_from_refusing_calls():
    (what,) = said(judged(count(UPDATE, 1000), may_refuse=True))
    assert what.endswith("something other than 0, which refuses the call: measured with 0")


def test_map_that_filled_while_nothing_failed():
    """Another program's keys may have filled it, or the last of the program's own."""
    filled = judged(count(UPDATE, 1000), before=[state(3)], after=[state(64)])
    assert said(filled) == ["filled map seen of 64 entries while it was measured"]
    assert filled.maps == (state(64),)
    assert said(judged(count(UPDATE, 1000), before=[state(64)], after=[state(64)])) == []


def test_map_that_is_full_fails_where_helpers_cannot_be_watched():
    full = judge(Seen(before=[state(64)], after=[state(64)], unwatched="too long"))
    assert failed(full) == (
        "mine.c filled map seen of 64 entries: updates after that failed uncounted; give it more"
    )
    counted = judge(Seen(after=[state(64)], unwatched="too long", lost_updates=0))
    assert said(counted) == [
        "filled map seen of 64 entries while it was measured",
        "its helpers could not be watched: too long",
    ]


def test_map_that_drops_keys_fails():
    dropped = judged(after=[state(60, "lru_hash")], dropped={"seen": 1371})
    assert failed(dropped) == (
        "mine.c lost entries: map seen, of 64 entries, dropped 1,371 of them to take others in;"
        " give it more"
    )


def test_records_that_were_lost_are_counted():
    few = judged(buffers=[BufferUse("out", 990, 10, 0)])
    assert said(few) == ["lost 10 of 1,000 records: buffer out had no room"]
    many = judged(buffers=[BufferUse("out", 989, 11, 0)])
    assert failed(many) == (
        "mine.c lost 11 of 1,000 records: buffer out had no room; give the buffer more room"
    )
    assert said(judged(buffers=[BufferUse("out", 989, 0, 812)])) == [
        "buffer out was found full 812 times by its reader"
    ]
    silent = [BufferUse("out", 0, 0, 0), BufferUse("of another function", 0, 0, 0)]
    assert said(judged(buffers=silent, used={"out"})) == ["no record came out of buffer out"]


def test_buffer_that_nobody_reads_is_said():
    (words,) = said(judged(unread=["rings"]))
    assert words == "nobody reads or fills map rings: its records or counters are not there"


def test_several_failures_are_one_sentence():
    both = judged(count(UPDATE, 9, 9, errno.E2BIG), count(TAIL_CALL, 9, 9, name="jumps"))
    assert " and made tail calls of map jumps" in failed(both)
    assert failed(both).endswith("; give it more and put one there")


def test_judgements_of_a_group_are_added_up_without_repeats():
    one = judged(count(LOOKUP, 9, 9), after=[state(3)])
    assert one + one == one
    assert len((one + judged(count(LOOKUP, 9, 9, name="other"))).findings) == 2


@pytest.mark.parametrize(
    ("pops", "words"),
    [
        (0, ["map last, of 64 entries, dropped 990 to take others in"]),
        (400, ["map last, of 64 entries, dropped 590 to take others in"]),
        (990, []),
    ],
)
def test_a_full_queue_drops_what_it_takes_in_and_nobody_takes_out(pops, words):
    counts = [count(PUSH, 1000, 10, errno.EBUSY, "last"), count(POP, pops, name="last")]
    full = MapState("last", "queue", 64, 64)
    found = said(judged(*counts, before=[full], after=[full]))
    assert [each for each in found if "dropped" in each] == words


def test_a_tail_call_is_no_work_of_its_own():
    found = said(judged(count(TAIL_CALL, 1000, 1), count(UPDATE, 0)))
    assert "the program returned early in 100 %" in found[-1]


@pytest.mark.parametrize("calls_kfuncs", [True, False])
def test_what_functions_of_the_kernel_did_is_not_known(calls_kfuncs):
    found = said(judged(count(UPDATE, 0), calls_kfuncs=calls_kfuncs))
    assert [each for each in found if "returned early in 100 %" in each] == found != []
    assert found[0].endswith("those are not watched") == calls_kfuncs
