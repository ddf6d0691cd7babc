#include "_workload_together.h"
#include "_workload_affinity.h"
#include "_workload_arguments.h"
#include "_workload_errors.h"
#include "_workload_threads.h"

#include <errno.h>

/* Runs signal handlers in the waiting thread, on behalf of all threads. */
static int handle_signals(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int raised = PyErr_CheckSignals();

    PyGILState_Release(state);
    return raised;
}

/* Reads distinct CPUs.  Two threads that spin on one CPU would wait for each other's time slice. */
static int parse_cpus(PyObject *sequence, int *cpus)
{
    long long cpu;

    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
        if (parse_whole("cpu", PySequence_Fast_GET_ITEM(sequence, i), 0, MAX_CPUS - 1, &cpu) < 0)
            return -1;
        for (Py_ssize_t earlier = 0; earlier < i; earlier++)
            if (cpus[earlier] == cpu) {
                PyErr_Format(PyExc_ValueError, "cpus has CPU %lld twice", cpu);
                return -1;
            }
        cpus[i] = (int)cpu;
    }
    return 0;
}

/* One list per thread. */
static PyObject *lists_by_thread(const struct together *job, const int64_t *times_ns)
{
    PyObject *lists = PyList_New((Py_ssize_t)job->threads), *list;

    for (size_t i = 0; lists != NULL && i < job->threads; i++) {
        list = list_from_times(times_ns + i * job->windows, (Py_ssize_t)job->windows);
        if (list == NULL)
            Py_CLEAR(lists);
        else
            PyList_SET_ITEM(lists, (Py_ssize_t)i, list);
    }
    return lists;
}

static void raise_failure(const struct together *job)
{
    char what[96];

    PyOS_snprintf(what, sizeof(what), "%s on CPU %d", job->failed_call, job->failed_cpu);
    errno = job->error;
    raise_os_error(what, NULL);
}

static PyObject *run_job(struct together *job)
{
    int failed;

    Py_BEGIN_ALLOW_THREADS;
    failed = run_together(job, handle_signals);
    Py_END_ALLOW_THREADS;
    if (failed) {
        if (!PyErr_Occurred())
            raise_failure(job);
        return NULL;
    }
    return Py_BuildValue("NNK", lists_by_thread(job, job->elapsed_ns),
                         lists_by_thread(job, job->start_ns), (unsigned long long)job->calls_made);
}

/* Allocates the results and runs the job. */
static PyObject *time_on_cpus(struct together *job)
{
    PyObject *result = NULL;

    job->elapsed_ns = PyMem_Calloc(job->threads * job->windows, sizeof(*job->elapsed_ns));
    job->start_ns = PyMem_Calloc(job->threads * job->windows, sizeof(*job->start_ns));
    if (job->elapsed_ns == NULL || job->start_ns == NULL)
        PyErr_NoMemory();
    else
        result = run_job(job);
    PyMem_Free(job->elapsed_ns);
    PyMem_Free(job->start_ns);
    return result;
}

PyObject *time_together(const struct workload *workload, long long calls, Py_ssize_t windows,
                        PyObject *cpus, int keep_busy)
{
    struct together job = {.workload = workload,
                           .calls = (uint64_t)calls,
                           .windows = (size_t)windows,
                           .keep_busy = keep_busy};
    PyObject *sequence = PySequence_Fast(cpus, "cpus must be a sequence"), *result = NULL;
    int *numbers;

    if (sequence == NULL)
        return NULL;
    job.threads = (size_t)PySequence_Fast_GET_SIZE(sequence);
    numbers = PyMem_Calloc(job.threads + 1, sizeof(*numbers));
    job.cpus = numbers;
    if (numbers == NULL)
        PyErr_NoMemory();
    else if (job.threads == 0)
        PyErr_SetString(PyExc_ValueError, "cpus is empty");
    else if (parse_cpus(sequence, numbers) == 0)
        result = time_on_cpus(&job);
    PyMem_Free(numbers);
    Py_DECREF(sequence);
    return result;
}
