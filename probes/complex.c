// SPDX-License-Identifier: GPL-2.0-only
/*
 * complex: one hash map, key = process id, time_in_ns % 1024 and a 32-byte command
 * name, value incremented.
 *
 * The key needs three helpers, and its hash covers 40 bytes.  The time has 1024 values, so
 * each process (with each of its command names) that runs the program can use 1024 entries.
 * The map must not fill.  Otherwise updates fail, and the program does less than what is
 * measured.  So COMPLEX_ENTRIES must be at least 1024 per process of the machine.  The loader
 * sets it; 65536 is enough for 64 processes.  Failed updates are counted in lost_updates.
 */
#define COMPLEX_ENTRIES 65536

struct key {
    u32 pid;
    u32 time;
    char command[32];
};

BPF_HASH(counts, struct key, u64, COMPLEX_ENTRIES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    struct key key = {};
    key.pid = bpf_get_current_pid_tgid() >> 32;
    key.time = bpf_ktime_get_ns() % 1024;
    bpf_get_current_comm(&key.command, sizeof(key.command));

    u64 *count = counts.lookup(&key);
    if (count) {
        __sync_fetch_and_add(count, 1);
        return 0;
    }
    u64 one = 1;
    if (counts.update(&key, &one))
        lost_updates.atomic_increment(0);
    return 0;
}
