// SPDX-License-Identifier: GPL-2.0-only
/*
 * spin_lock: an element of an array incremented under its lock.
 *
 * Compared with array, it takes a lock, which is never contended here, instead of an atomic
 * addition.
 */
struct guarded {
    struct bpf_spin_lock lock;
    u64 count;
};

BPF_ARRAY(guarded, struct guarded, 1);

int program(void *ctx)
{
    int first = 0;
    struct guarded *value = guarded.lookup(&first);
    if (value) {
        bpf_spin_lock(&value->lock);
        value->count++;
        bpf_spin_unlock(&value->lock);
    }
    return 0;
}
