"""Programs that run for every call and silently do less than they were written to do."""

from __future__ import annotations

SEEN = """\
BPF_HASH(seen, u64, u64, 64);
int program(void *ctx)
{
    u64 key = bpf_ktime_get_ns(), one = 1;
    seen.update(&key, &one);
    return 0;
}
"""
TWO_MAPS = """\
BPF_HASH(counts, u64, u64, 64);
BPF_HASH(begun, u64, u64, 16);
int program(void *ctx)
{
    u64 key = 1, one = 1;
    counts.update(&key, &one);
    key = bpf_ktime_get_ns();
    begun.update(&key, &one);
    return 0;
}
"""
LRU = """\
BPF_TABLE("lru_hash", u64, u64, last, 512);
int program(void *ctx)
{
    u64 key = bpf_ktime_get_ns(), one = 1;
    last.update(&key, &one);
    return 0;
}
"""
PERF = """\
BPF_PERF_OUTPUT(out);
int program(void *ctx)
{
    u64 record[2];
    record[0] = bpf_ktime_get_ns();
    record[1] = bpf_get_current_pid_tgid();
    out.perf_submit(ctx, record, sizeof(record));
    return 0;
}
"""
SMALL_RING = """\
BPF_RINGBUF_OUTPUT(events, 1);
int program(void *ctx)
{
    u64 record[32];
    for (int i = 0; i < 32; i++)
        record[i] = bpf_ktime_get_ns();
    for (int i = 0; i < 64; i++)
        events.ringbuf_output(&record, sizeof(record), BPF_RB_NO_WAKEUP);
    return 0;
}
"""
EXISTING_KEY = """\
BPF_HASH(counts, u64, u64, 1024);
BPF_ARRAY(lost_updates, u64, 1);
int program(void *ctx)
{
    u64 key = 1;
    if (counts.insert(&key, &key))
        lost_updates.atomic_increment(0);
    return 0;
}
"""
FILTER = """\
BPF_HASH(wanted, u64, u64, 64);
BPF_HASH(counts, u64, u64, 64);
int program(void *ctx)
{
    u64 key = bpf_get_current_pid_tgid();
    if (!wanted.lookup(&key))
        return 0;
    counts.increment(key);
    return 0;
}
"""
SELDOM = """\
BPF_HASH(counts, u64, u64, 64);
int program(void *ctx)
{
    if (bpf_get_prandom_u32() % 10)
        return 0;
    u64 key = 0;
    counts.increment(key);
    return 0;
}
"""
NO_LONGER = """\
BPF_ARRAY(runs, u64, 1);
BPF_HASH(counts, u64, u64, 64);
int program(void *ctx)
{
    int zero = 0;
    u64 *done = runs.lookup(&zero), key = 0;
    if (!done || (*done)++ > 100)
        return 0;
    counts.increment(key);
    return 0;
}
"""
TAIL_CALL = """\
BPF_PROG_ARRAY(jumps, 4);
BPF_ARRAY(counts, u64, 1);
int program(void *ctx)
{
    jumps.call(ctx, 2);
    counts.atomic_increment(0);
    return 0;
}
"""
_TAIL_CALLED = """\
BPF_PROG_ARRAY(tail_calls, 1);
BPF_HASH(seen, u64, u64, 64);
int tail(void *ctx)
{
    u64 key = bpf_ktime_get_ns(), one = 1;
    %s
    return 0;
}
int program(void *ctx)
{
    tail_calls.call(ctx, 0);
    return 0;
}
"""
FULL_BEHIND_TAIL_CALL = _TAIL_CALLED % "seen.update(&key, &one);"
FILTER_BEHIND_TAIL_CALL = _TAIL_CALLED % "if (!key) seen.update(&key, &one);"
FAULT = """\
BPF_ARRAY(counts, u64, 1);
int program(void *ctx)
{
    char text[16];
    bpf_probe_read_user(text, sizeof(text), (void *)64);
    counts.atomic_increment(0);
    return 0;
}
"""
FULL_FROM_THE_FIRST = """\
BPF_HASH(one, u64, u64, 1);
int program(void *ctx)
{
    u64 key = 7;
    one.update(&key, &key);
    return 0;
}
"""
EXISTING_AND_NO_ROOM = """\
BPF_HASH(seen, u64, u64, 64);
int program(void *ctx)
{
    u64 key = 1;
    seen.insert(&key, &key);
    key = bpf_ktime_get_ns();
    seen.insert(&key, &key);
    return 0;
}
"""
DROPPING_QUEUE = """\
BPF_QUEUE(last, u64, 64);
int program(void *ctx)
{
    u64 now = bpf_ktime_get_ns();
    last.push(&now, BPF_EXIST);
    return 0;
}
"""
