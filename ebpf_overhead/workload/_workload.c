/*
 * The Python interface of the timed loops.  _workload.pyi documents it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_workload_affinity.h"
#include "_workload_arguments.h"
#include "_workload_errors.h"
#include "_workload_events.h"
#include "_workload_loops.h"
#include "_workload_packets.h"
#include "_workload_reader.h"
#include "_workload_symbol.h"
#include "_workload_tasks.h"
#include "_workload_together.h"
#include "_workload_watch.h"

#include <limits.h>
#include <sys/resource.h>

/* A window cannot be interrupted; at 100 ns per call the longest takes seven minutes. */
#define MAX_CALLS ((long long)1 << 32)
/* 128 MiB of results. */
#define MAX_WINDOWS ((long long)1 << 24)

/* A minute between two calls. */
#define MAX_GAP_NS (60 * 1000000000LL)

/* The total number of calls never overflows. */
_Static_assert(MAX_CALLS <= INT64_MAX / MAX_WINDOWS, "calls times windows must fit 64 bits");

/* A tuple of the workloads' names. */
static PyObject *workload_names(void)
{
    PyObject *names, *name;
    Py_ssize_t count = 0;

    while (workloads[count].name != NULL)
        count++;
    names = PyTuple_New(count);
    for (Py_ssize_t i = 0; names != NULL && i < count; i++) {
        name = PyUnicode_FromString(workloads[i].name);
        if (name == NULL)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, i, name);
    }
    return names;
}

/* The workload of that name; NULL with ValueError set if there is none. */
static const struct workload *parse_workload(const char *name)
{
    const struct workload *workload = find_workload(name);
    PyObject *names;

    if (workload == NULL && (names = workload_names()) != NULL) {
        PyErr_Format(PyExc_ValueError, "workload is unknown: '%s'; choose one of %R", name, names);
        Py_DECREF(names);
    }
    return workload;
}

/* How often the kernel took the CPU away from this thread, which did not wait for anything. */
static long preemptions(void)
{
    struct rusage usage = {0};

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

/* Times the windows one after another.  Without a workload they are empty.  With a counter that is
 * not negative, the counter is read instead of the clock.  `preempted` is NULL, or says of each
 * window whether it was.  Other threads run during a window, and signal handlers between two
 * windows. */
static int time_windows(const struct workload *workload, long long calls, Py_ssize_t windows,
                        int counter, int64_t *elapsed_ns, unsigned char *preempted)
{
    const char *failed_call;
    long before;

    for (Py_ssize_t i = 0; i < windows; i++) {
        Py_BEGIN_ALLOW_THREADS;
        before = preempted == NULL ? 0 : preemptions();
        if (workload == NULL)
            failed_call = time_empty_window(&elapsed_ns[i]);
        else if (counter < 0)
            failed_call = time_window(workload, (uint64_t)calls, &elapsed_ns[i]);
        else
            failed_call = count_window(workload, (uint64_t)calls, counter, &elapsed_ns[i]);
        if (preempted != NULL)
            preempted[i] = preemptions() != before;
        Py_END_ALLOW_THREADS;
        if (failed_call != NULL) {
            raise_os_error(failed_call, NULL);
            return -1;
        }
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
    return 0;
}

/* The times of the windows as a list; NULL with an exception set on failure. */
static PyObject *list_windows(const struct workload *workload, long long calls, Py_ssize_t windows,
                              int counter, unsigned char *preempted)
{
    PyObject *list = NULL;
    int64_t *elapsed_ns;

    elapsed_ns = PyMem_Calloc((size_t)windows, sizeof(*elapsed_ns));
    if (elapsed_ns == NULL)
        return PyErr_NoMemory();
    if (time_windows(workload, calls, windows, counter, elapsed_ns, preempted) == 0)
        list = list_from_times(elapsed_ns, windows);
    PyMem_Free(elapsed_ns);
    return list;
}

/* The same on one CPU, unless `cpu` is negative.  The affinity is always restored. */
static PyObject *list_windows_pinned(const struct workload *workload, long long calls,
                                     Py_ssize_t windows, int cpu, int counter,
                                     unsigned char *preempted)
{
    struct affinity earlier = {NULL};
    PyObject *list;

    if (cpu >= 0 && affinity_pin(cpu, &earlier) < 0)
        return NULL;
    list = list_windows(workload, calls, windows, counter, preempted);
    if (affinity_restore(&earlier) < 0)
        Py_CLEAR(list);
    return list;
}

PyDoc_STRVAR(run_doc,
             "run(workload, calls, windows=1, cpu=None, counter=None, preempted=None)\n--\n\n"
             "Time windows of calls: (elapsed ns of each window, number of calls).");

static PyObject *workload_run(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"workload", "calls", "windows", "cpu", "counter", "preempted", NULL};
    PyObject *calls_object, *windows_object = NULL, *cpu_object = Py_None, *list;
    PyObject *counter_object = Py_None, *preempted_object = Py_None;
    Py_buffer preempted = {NULL};
    long long calls, windows = 1, cpu = -1, counter = -1;
    const struct workload *workload;
    const char *name;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO|OOOO:run", keywords, &name, &calls_object,
                                     &windows_object, &cpu_object, &counter_object,
                                     &preempted_object))
        return NULL;
    workload = parse_workload(name);
    if (workload == NULL || parse_whole("calls", calls_object, 1, MAX_CALLS, &calls) < 0)
        return NULL;
    if (windows_object != NULL &&
        parse_whole("windows", windows_object, 1, MAX_WINDOWS, &windows) < 0)
        return NULL;
    if (cpu_object != Py_None && parse_whole("cpu", cpu_object, 0, MAX_CPUS - 1, &cpu) < 0)
        return NULL;
    if (counter_object != Py_None &&
        parse_whole("counter", counter_object, 0, INT_MAX, &counter) < 0)
        return NULL;

    if (preempted_object != Py_None) {
        if (PyObject_GetBuffer(preempted_object, &preempted, PyBUF_WRITABLE) < 0)
            return NULL;
        if (preempted.len < windows) {
            PyBuffer_Release(&preempted);
            return PyErr_Format(PyExc_ValueError, "preempted has %zd bytes for %lld windows",
                                preempted.len, windows);
        }
    }
    list = list_windows_pinned(workload, calls, (Py_ssize_t)windows, (int)cpu, (int)counter,
                               preempted.buf);
    PyBuffer_Release(&preempted);
    if (list == NULL)
        return NULL;
    return Py_BuildValue("NL", list, calls * windows);
}

PyDoc_STRVAR(run_together_doc,
             "run_together(workload, calls, windows, cpus, keep_busy=True)\n--\n\n"
             "Time windows of calls on several CPUs at once: (elapsed ns of each window by CPU,\n"
             "start of each window by CPU, number of calls).");

static PyObject *workload_run_together(PyObject *Py_UNUSED(module), PyObject *args,
                                       PyObject *kwargs)
{
    static char *keywords[] = {"workload", "calls", "windows", "cpus", "keep_busy", NULL};
    PyObject *calls_object, *windows_object, *cpus;
    long long calls, windows;
    int keep_busy = 1;
    const struct workload *workload;
    const char *name;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sOOO|p:run_together", keywords, &name,
                                     &calls_object, &windows_object, &cpus, &keep_busy))
        return NULL;
    workload = parse_workload(name);
    if (workload == NULL || parse_whole("calls", calls_object, 1, MAX_CALLS, &calls) < 0 ||
        parse_whole("windows", windows_object, 1, MAX_WINDOWS, &windows) < 0)
        return NULL;
    return time_together(workload, calls, (Py_ssize_t)windows, cpus, keep_busy);
}

PyDoc_STRVAR(watch_doc, "watch(workload, words, cpu)\n--\n\n"
                        "Call a workload until told to stop; report the longest gap in each span.");

static PyObject *workload_watch(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *cpu_object, *result = NULL;
    const struct workload *workload;
    const char *name;
    Py_buffer words;
    long long cpu;

    if (!PyArg_ParseTuple(args, "sw*O:watch", &name, &words, &cpu_object))
        return NULL;
    workload = parse_workload(name);
    if (workload != NULL && parse_whole("cpu", cpu_object, 0, MAX_CPUS - 1, &cpu) == 0)
        result = watch_from_cpu(workload, &words, (int)cpu);
    PyBuffer_Release(&words);
    return result;
}

PyDoc_STRVAR(run_paced_doc,
             "run_paced(workload, calls, gap_ns, most_ns, cpu, sleeps)\n--\n\n"
             "Time calls at a fixed rate: (calls that count, ns in them, ns in all).");

static PyObject *workload_run_paced(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *calls_object, *gap_object, *most_object, *cpu_object;
    long long calls, gap_ns, most_ns, cpu = -1;
    const struct workload *workload;
    struct pacing pacing;
    const char *name;
    int sleeps;

    if (!PyArg_ParseTuple(args, "sOOOOp:run_paced", &name, &calls_object, &gap_object, &most_object,
                          &cpu_object, &sleeps))
        return NULL;
    workload = parse_workload(name);
    if (workload == NULL || parse_whole("calls", calls_object, 1, MAX_CALLS, &calls) < 0 ||
        parse_whole("gap_ns", gap_object, 0, MAX_GAP_NS, &gap_ns) < 0 ||
        parse_whole("most_ns", most_object, 1, MAX_GAP_NS, &most_ns) < 0 ||
        (cpu_object != Py_None && parse_whole("cpu", cpu_object, 0, MAX_CPUS - 1, &cpu) < 0))
        return NULL;
    pacing = (struct pacing){gap_ns, most_ns, sleeps};
    return pace_pinned(workload, calls, &pacing, (int)cpu);
}

PyDoc_STRVAR(read_events_doc, "read_events(poll, consume, buffer, sleep_ns, words)\n--\n\n"
                              "Take records out of an event buffer until told to stop.");

static PyObject *workload_read_events(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long poll, consume, buffer;
    PyObject *sleep_object, *result = NULL;
    struct event_source source;
    long long sleep_ns;
    Py_buffer words;

    if (!PyArg_ParseTuple(args, "KKKOw*:read_events", &poll, &consume, &buffer, &sleep_object,
                          &words))
        return NULL;
    source = (struct event_source){(void *)poll, (void *)consume, (void *)buffer};
    if (buffer == 0 || (poll == 0) == (consume == 0))
        PyErr_SetString(PyExc_ValueError, "a buffer and one of poll and consume are needed");
    else if (parse_whole("sleep_ns", sleep_object, 0, MAX_GAP_NS, &sleep_ns) == 0)
        result = read_source(&source, sleep_ns, &words);
    PyBuffer_Release(&words);
    return result;
}

PyDoc_STRVAR(clock_cost_doc, "clock_cost(windows=1000)\n--\n\n"
                             "Elapsed ns of empty windows: what reading the clock costs.");

static PyObject *workload_clock_cost(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"windows", NULL};
    PyObject *windows_object = NULL;
    long long windows = 1000;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:clock_cost", keywords, &windows_object))
        return NULL;
    if (windows_object != NULL &&
        parse_whole("windows", windows_object, 1, MAX_WINDOWS, &windows) < 0)
        return NULL;
    return list_windows(NULL, 0, (Py_ssize_t)windows, -1, NULL);
}

PyDoc_STRVAR(workload_symbol_doc,
             "workload_symbol(workload=\"function\")\n--\n\n"
             "Where a uprobe finds a workload: (library path, symbol, file offset in bytes).");

static PyObject *workload_symbol_of(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"workload", NULL};
    const char *name = "function";
    const struct workload *workload;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:workload_symbol", keywords, &name))
        return NULL;
    workload = parse_workload(name);
    return workload == NULL ? NULL : locate_workload(workload);
}

PyDoc_STRVAR(loop_address_doc, "loop_address(workload)\n--\n\n"
                               "Where in this process the loop of a workload begins.");

static PyObject *workload_loop_address(PyObject *Py_UNUSED(module), PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    const struct workload *workload = text == NULL ? NULL : parse_workload(text);

    return workload == NULL ? NULL : PyLong_FromVoidPtr((void *)(uintptr_t)workload->loop);
}

PyDoc_STRVAR(packet_network_doc, "packet_network()\n--\n\n"
                                 "Descriptor of the network namespace that packets pass.");

static PyObject *workload_packet_network(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    int descriptor;
    const char *failed_call = packet_namespace(&descriptor);

    if (failed_call != NULL) {
        raise_os_error(failed_call, NULL);
        return NULL;
    }
    return PyLong_FromLong(descriptor);
}

/* Adds a constant and takes over its value, which may be NULL with an exception set. */
static int add_constant(PyObject *module, const char *name, PyObject *value)
{
    int failed = value == NULL ? -1 : PyModule_AddObjectRef(module, name, value);

    Py_XDECREF(value);
    return failed;
}

static int workload_exec(PyObject *module)
{
    const char *failed_call = make_task_name();

    if (failed_call != NULL) {
        raise_os_error(failed_call, NULL);
        return -1;
    }
    if (add_constant(module, "WORKLOADS", workload_names()) < 0 ||
        add_constant(module, "TASK_NAME", PyUnicode_FromString(task_name)) < 0 ||
        add_constant(module, "COUNT_RING_RECORD", PyLong_FromVoidPtr((void *)count_ring_record)) <
            0 ||
        add_constant(module, "COUNT_PERF_EVENT", PyLong_FromVoidPtr((void *)count_perf_event)) <
            0 ||
        add_constant(module, "MAX_CALLS", PyLong_FromLongLong(MAX_CALLS)) < 0 ||
        add_constant(module, "MAX_WINDOWS", PyLong_FromLongLong(MAX_WINDOWS)) < 0)
        return -1;
    return 0;
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))workload_run, METH_VARARGS | METH_KEYWORDS, run_doc},
    {"run_together", (PyCFunction)(void (*)(void))workload_run_together,
     METH_VARARGS | METH_KEYWORDS, run_together_doc},
    {"watch", workload_watch, METH_VARARGS, watch_doc},
    {"run_paced", workload_run_paced, METH_VARARGS, run_paced_doc},
    {"read_events", workload_read_events, METH_VARARGS, read_events_doc},
    {"clock_cost", (PyCFunction)(void (*)(void))workload_clock_cost, METH_VARARGS | METH_KEYWORDS,
     clock_cost_doc},
    {"loop_address", workload_loop_address, METH_O, loop_address_doc},
    {"packet_network", workload_packet_network, METH_NOARGS, packet_network_doc},
    {"workload_symbol", (PyCFunction)(void (*)(void))workload_symbol_of,
     METH_VARARGS | METH_KEYWORDS, workload_symbol_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, workload_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ebpf_overhead.workload._workload",
    .m_doc = "Timed loops in C around the operation that a probe is attached to.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__workload(void)
{
    return PyModuleDef_Init(&definition);
}
