/* SPDX-License-Identifier: GPL-2.0-only */
/* What the probes here share: the types and helpers that they need, and their licence. */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

typedef __u32 u32;
typedef __u64 u64;

char LICENSE[] SEC("license") = "GPL";

#define COUNTS(key_type, entries)                                                                  \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_HASH);                                                           \
        __uint(max_entries, entries);                                                              \
        __type(key, key_type);                                                                     \
        __type(value, u64);                                                                        \
    } counts SEC(".maps");                                                                         \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_ARRAY);                                                          \
        __uint(max_entries, 1);                                                                    \
        __type(key, u32);                                                                          \
        __type(value, u64);                                                                        \
    } lost_updates SEC(".maps")

/* Increments the element of a key; as the programs in probes/ do. */
#define COUNT(key)                                                                                 \
    do {                                                                                           \
        u64 *count = bpf_map_lookup_elem(&counts, key);                                            \
        if (count) {                                                                               \
            __sync_fetch_and_add(count, 1);                                                        \
            return 0;                                                                              \
        }                                                                                          \
        u64 one = 1;                                                                               \
        if (bpf_map_update_elem(&counts, key, &one, BPF_ANY)) {                                    \
            u32 zero = 0;                                                                          \
            u64 *lost = bpf_map_lookup_elem(&lost_updates, &zero);                                 \
            if (lost)                                                                              \
                __sync_fetch_and_add(lost, 1);                                                     \
        }                                                                                          \
        return 0;                                                                                  \
    } while (0)

#endif
