#include "_workload_watch.h"
#include "_workload_affinity.h"
#include "_workload_errors.h"
#include "_workload_gaps.h"

PyObject *watch_from_cpu(const struct workload *workload, const Py_buffer *words, int cpu)
{
    struct affinity earlier = {NULL};
    const char *failed_call;

    if (words->len < (Py_ssize_t)sizeof(struct watched))
        return PyErr_Format(PyExc_ValueError, "words has %zd bytes, %zu are needed", words->len,
                            sizeof(struct watched));
    if (affinity_pin(cpu, &earlier) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    failed_call = watch_workload(workload, words->buf);
    Py_END_ALLOW_THREADS;
    if (failed_call != NULL)
        raise_os_error(failed_call, NULL);
    if (affinity_restore(&earlier) < 0 || failed_call != NULL)
        return NULL;
    Py_RETURN_NONE;
}
