#include "_workload_events.h"
#include "_workload_affinity.h"
#include "_workload_errors.h"
#include "_workload_reader.h"

#include <errno.h>

PyObject *pace_pinned(const struct workload *workload, long long calls, const struct pacing *pacing,
                      int cpu)
{
    struct affinity earlier = {NULL};
    struct pace pace = {0};
    const char *failed_call;

    if (cpu >= 0 && affinity_pin(cpu, &earlier) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    failed_call = pace_window(workload, (uint64_t)calls, pacing, &pace);
    Py_END_ALLOW_THREADS;
    if (failed_call != NULL)
        raise_os_error(failed_call, NULL);
    if (affinity_restore(&earlier) < 0 || failed_call != NULL)
        return NULL;
    return Py_BuildValue("LLL", (long long)pace.calls, (long long)pace.calls_ns,
                         (long long)pace.window_ns);
}

PyObject *read_source(const struct event_source *source, long long sleep_ns, const Py_buffer *words)
{
    int failed;

    if (words->len < (Py_ssize_t)sizeof(struct reading))
        return PyErr_Format(PyExc_ValueError, "words has %zd bytes, %zu are needed", words->len,
                            sizeof(struct reading));
    Py_BEGIN_ALLOW_THREADS;
    failed = read_events((int (*)(void *, int))source->poll, (int (*)(void *))source->consume,
                         source->buffer, sleep_ns, words->buf);
    Py_END_ALLOW_THREADS;
    if (failed < 0) {
        errno = -failed;
        raise_os_error("reading of events", NULL);
        return NULL;
    }
    Py_RETURN_NONE;
}
