#include "_workload_affinity.h"
#include "_workload_errors.h"

#include <errno.h>

/* The size of most C libraries' cpu_set_t.  A kernel for more CPUs refuses it as too small. */
#define FIRST_GUESS_CPUS 1024

/* Allocates a set of so many CPUs; returns -1 with MemoryError set on failure.  Python's allocator
 * is used so that tracemalloc sees a leak; it does not see CPU_ALLOC(). */
static int affinity_allocate(size_t cpus, struct affinity *affinity)
{
    affinity->size_bytes = CPU_ALLOC_SIZE(cpus);
    affinity->cpus = PyMem_Calloc(1, affinity->size_bytes);
    if (affinity->cpus == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void affinity_free(struct affinity *affinity)
{
    PyMem_Free(affinity->cpus);
    affinity->cpus = NULL;
}

/* Reads the calling thread's CPUs into a set as large as the kernel requires. */
static int affinity_read(struct affinity *affinity)
{
    size_t cpus;
    int error;

    for (cpus = FIRST_GUESS_CPUS; cpus <= MAX_CPUS; cpus *= 2) {
        if (affinity_allocate(cpus, affinity) < 0)
            return -1;
        if (sched_getaffinity(0, affinity->size_bytes, affinity->cpus) == 0)
            return 0;
        error = errno;
        affinity_free(affinity);
        errno = error;
        if (error != EINVAL)
            break;
    }
    raise_os_error("sched_getaffinity", NULL);
    return -1;
}

/* Restricts the calling thread to `cpu`. */
static int affinity_set_single(int cpu)
{
    struct affinity single;
    char what[64];
    int failed;

    if (affinity_allocate((size_t)cpu + 1, &single) < 0)
        return -1;
    CPU_SET_S(cpu, single.size_bytes, single.cpus);
    failed = sched_setaffinity(0, single.size_bytes, single.cpus);
    if (failed) {
        PyOS_snprintf(what, sizeof(what), "sched_setaffinity to CPU %d", cpu);
        raise_os_error(what, "choose one of os.sched_getaffinity(0)");
    }
    affinity_free(&single);
    return failed ? -1 : 0;
}

int affinity_pin(int cpu, struct affinity *earlier)
{
    if (affinity_read(earlier) < 0)
        return -1;
    if (affinity_set_single(cpu) < 0) {
        affinity_free(earlier);
        return -1;
    }
    return 0;
}

int affinity_restore(struct affinity *earlier)
{
    PyObject *type, *value, *traceback;
    int failed;

    if (earlier->cpus == NULL)
        return 0;
    failed = sched_setaffinity(0, earlier->size_bytes, earlier->cpus);
    if (failed) {
        /* An earlier exception says more than this one, so this one must not hide it. */
        PyErr_Fetch(&type, &value, &traceback);
        raise_os_error("sched_setaffinity to the earlier CPUs", "the thread stays pinned");
        if (type != NULL) {
            PyErr_WriteUnraisable(NULL);
            PyErr_Restore(type, value, traceback);
        }
    }
    affinity_free(earlier);
    return failed ? -1 : 0;
}
