// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_state: looks up a key in a map, and does OPERATION with it.
 *
 * "ebpf-overhead study map-state" replaces "counts" by a map of the type, sizes and fill that it
 * measures, before it loads the program.  So one source and one bytecode serve all maps.  Key
 * and value lie in another map and have the largest size.  The kernel uses as much of them as
 * the sizes of the measured map say.
 *
 * Each run takes the next key.  Keys in the map are taken at a stride, so that neighbours in
 * memory do not follow each other.  Other keys were never in the map.  "workers" is mapped into
 * user space, which writes the first key and reads how every run ended, without a system call.
 * Only the measured CPU has a limit.  On other CPUs the program returns at once, so that nothing
 * else changes the map.
 */
#define BPF_F_MMAPABLE 1024

/* Values of OPERATION.  With each, every run must be counted in "done". */
#define NONE   0 /* no map: the cost of the rest of the program */
#define MISS   1 /* the key is not in the map */
#define HIT    2 /* the key is in the map, and its value is incremented */
#define INSERT 3 /* a new key is inserted, and deleted again */
#define FAIL   4 /* a new key does not fit into the full map */
#define EVICT  5 /* a new key replaces another one */

struct key {
    u32 number;
    u32 rest[63];
};

struct value {
    u64 count;
    u64 rest[511];
};

struct worker {
    u64 runs;
    u64 done;
    u32 stride;
    u32 limit;
    struct key key;
    struct value value;
};

/* One element per CPU: the loader sets the number. */
BPF_F_TABLE("array", u32, struct worker, workers, 1, BPF_F_MMAPABLE);
BPF_TABLE("hash", struct key, struct value, counts, 1);

int program(void *ctx)
{
    u32 cpu = bpf_get_smp_processor_id();
    struct worker *mine = workers.lookup(&cpu);
    if (!mine || !mine->limit)
        return 0;
    mine->runs++;
    u32 number = mine->key.number + mine->stride;
    if (number >= mine->limit)
        number -= mine->limit;
    mine->key.number = number;
#if OPERATION == NONE
    mine->done++;
#else
    struct value *found = counts.lookup(&mine->key);
#if OPERATION == MISS
    if (!found)
        mine->done++;
#elif OPERATION == HIT
    if (found) {
        __sync_fetch_and_add(&found->count, 1);
        mine->done++;
    }
#elif OPERATION == INSERT
    if (!found && !counts.update(&mine->key, &mine->value) && !counts.delete(&mine->key))
        mine->done++;
#elif OPERATION == FAIL
    if (!found && counts.update(&mine->key, &mine->value))
        mine->done++;
#elif OPERATION == EVICT
    if (!found && !counts.update(&mine->key, &mine->value))
        mine->done++;
#endif
#endif
    return 0;
}
