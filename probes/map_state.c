// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_state: looks a key up in a map and does what OPERATION says with it.
 *
 * For "ebpf-overhead map-state", which puts a map of the type, the sizes and the fill it wants in
 * the place of "counts" before it loads the program: one source and one bytecode serve all of
 * them.  Key and value therefore lie in a map too, as large as the largest; of them the
 * kernel takes what the map's own sizes say.
 *
 * Each run takes the next key: of the keys in the map, a stride apart so that neighbours in
 * memory are not taken one after the other, or keys that were never in it.  "workers" is mapped
 * into user space, which writes where to begin and reads how every run ended, without a system
 * call.  Only the measured CPU has a limit: on the others the program leaves at once, so that
 * nobody changes the map meanwhile.
 */
#define BPF_F_MMAPABLE 1024

/* Values of OPERATION: with each, every run has to end in "done". */
#define NONE   0 /* no map at all: what the rest of the program costs */
#define MISS   1 /* the key is not there */
#define HIT    2 /* the key is there, and its value incremented */
#define INSERT 3 /* the key is not there, inserted, and deleted again */
#define FAIL   4 /* the key is not there, and finds no room */
#define EVICT  5 /* the key is not there, and takes the place of another */

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

BPF_F_TABLE("array", u32, struct worker, workers, CPUS, BPF_F_MMAPABLE);
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
