/*
 * The Python side of the timed loops: arguments in, lists out.  _workload.pyi documents it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_workload_affinity.h"
#include "_workload_arguments.h"
#include "_workload_errors.h"
#include "_workload_loops.h"
#include "_workload_symbol.h"
#include "_workload_together.h"
#include "_workload_watch.h"

#include <limits.h>

/* A window cannot be interrupted; at 100 ns a call the longest takes seven minutes. */
#define MAX_CALLS ((long long)1 << 32)
/* 128 MiB of results. */
#define MAX_WINDOWS ((long long)1 << 24)

/* The sum of the calls made never overflows. */
_Static_assert(MAX_CALLS <= INT64_MAX / MAX_WINDOWS, "calls times windows must fit 64 bits");

/* A tuple of the targets' names. */
static PyObject *target_names(void)
{
    PyObject *names, *name;
    Py_ssize_t count = 0;

    while (targets[count].name != NULL)
        count++;
    names = PyTuple_New(count);
    for (Py_ssize_t i = 0; names != NULL && i < count; i++) {
        name = PyUnicode_FromString(targets[i].name);
        if (name == NULL)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, i, name);
    }
    return names;
}

/* The target of that name, or NULL with ValueError set. */
static const struct target *parse_target(const char *name)
{
    const struct target *target = find_target(name);
    PyObject *names;

    if (target == NULL && (names = target_names()) != NULL) {
        PyErr_Format(PyExc_ValueError, "target is unknown: '%s'; choose one of %R", name, names);
        Py_DECREF(names);
    }
    return target;
}

/* Times the windows one after another, empty ones when there is no target, or reads a counter for
 * them unless that is negative.  Other threads run during a window, signal handlers between two. */
static int time_windows(const struct target *target, long long calls, Py_ssize_t windows,
                        int counter, int64_t *elapsed_ns)
{
    const char *failed_call;

    for (Py_ssize_t i = 0; i < windows; i++) {
        Py_BEGIN_ALLOW_THREADS;
        if (target == NULL)
            failed_call = time_empty_window(&elapsed_ns[i]);
        else if (counter < 0)
            failed_call = time_window(target, (uint64_t)calls, &elapsed_ns[i]);
        else
            failed_call = count_window(target, (uint64_t)calls, counter, &elapsed_ns[i]);
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

/* The windows' times as a list, or NULL with an exception set. */
static PyObject *list_windows(const struct target *target, long long calls, Py_ssize_t windows,
                              int counter)
{
    PyObject *list = NULL;
    int64_t *elapsed_ns;

    elapsed_ns = PyMem_Calloc((size_t)windows, sizeof(*elapsed_ns));
    if (elapsed_ns == NULL)
        return PyErr_NoMemory();
    if (time_windows(target, calls, windows, counter, elapsed_ns) == 0)
        list = list_from_times(elapsed_ns, windows);
    PyMem_Free(elapsed_ns);
    return list;
}

/* The same on one CPU, unless `cpu` is negative.  The affinity is restored on every way out. */
static PyObject *list_windows_pinned(const struct target *target, long long calls,
                                     Py_ssize_t windows, int cpu, int counter)
{
    struct affinity earlier = {NULL};
    PyObject *list;

    if (cpu >= 0 && affinity_pin(cpu, &earlier) < 0)
        return NULL;
    list = list_windows(target, calls, windows, counter);
    if (affinity_restore(&earlier) < 0)
        Py_CLEAR(list);
    return list;
}

PyDoc_STRVAR(run_doc, "run(target, calls, windows=1, cpu=None, counter=None)\n--\n\n"
                      "Time windows of calls: (elapsed ns of each window, calls made in all).");

static PyObject *workload_run(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"target", "calls", "windows", "cpu", "counter", NULL};
    PyObject *calls_object, *windows_object = NULL, *cpu_object = Py_None, *list;
    PyObject *counter_object = Py_None;
    long long calls, windows = 1, cpu = -1, counter = -1;
    const struct target *target;
    const char *name;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO|OOO:run", keywords, &name, &calls_object,
                                     &windows_object, &cpu_object, &counter_object))
        return NULL;
    target = parse_target(name);
    if (target == NULL || parse_whole("calls", calls_object, 1, MAX_CALLS, &calls) < 0)
        return NULL;
    if (windows_object != NULL &&
        parse_whole("windows", windows_object, 1, MAX_WINDOWS, &windows) < 0)
        return NULL;
    if (cpu_object != Py_None && parse_whole("cpu", cpu_object, 0, MAX_CPUS - 1, &cpu) < 0)
        return NULL;
    if (counter_object != Py_None &&
        parse_whole("counter", counter_object, 0, INT_MAX, &counter) < 0)
        return NULL;

    list = list_windows_pinned(target, calls, (Py_ssize_t)windows, (int)cpu, (int)counter);
    if (list == NULL)
        return NULL;
    return Py_BuildValue("NL", list, calls * windows);
}

PyDoc_STRVAR(run_together_doc,
             "run_together(target, calls, windows, cpus, keep_busy=True)\n--\n\n"
             "Time windows of calls on several CPUs at once: (elapsed ns of each window by CPU,\n"
             "beginnings of them, calls made in all).");

static PyObject *workload_run_together(PyObject *Py_UNUSED(module), PyObject *args,
                                       PyObject *kwargs)
{
    static char *keywords[] = {"target", "calls", "windows", "cpus", "keep_busy", NULL};
    PyObject *calls_object, *windows_object, *cpus;
    long long calls, windows;
    int keep_busy = 1;
    const struct target *target;
    const char *name;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sOOO|p:run_together", keywords, &name,
                                     &calls_object, &windows_object, &cpus, &keep_busy))
        return NULL;
    target = parse_target(name);
    if (target == NULL || parse_whole("calls", calls_object, 1, MAX_CALLS, &calls) < 0 ||
        parse_whole("windows", windows_object, 1, MAX_WINDOWS, &windows) < 0)
        return NULL;
    return time_together(target, calls, (Py_ssize_t)windows, cpus, keep_busy);
}

PyDoc_STRVAR(watch_doc, "watch(target, words, cpu)\n--\n\n"
                        "Call a target until told to stop, and tell the longest gap of each span.");

static PyObject *workload_watch(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *cpu_object, *result = NULL;
    const struct target *target;
    const char *name;
    Py_buffer words;
    long long cpu;

    if (!PyArg_ParseTuple(args, "sw*O:watch", &name, &words, &cpu_object))
        return NULL;
    target = parse_target(name);
    if (target != NULL && parse_whole("cpu", cpu_object, 0, MAX_CPUS - 1, &cpu) == 0)
        result = watch_from_cpu(target, &words, (int)cpu);
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
    return list_windows(NULL, 0, (Py_ssize_t)windows, -1);
}

PyDoc_STRVAR(target_symbol_doc,
             "target_symbol(target=\"function\")\n--\n\n"
             "Where a uprobe finds a target: (library path, symbol, file offset in bytes).");

static PyObject *workload_target_symbol(PyObject *Py_UNUSED(module), PyObject *args,
                                        PyObject *kwargs)
{
    static char *keywords[] = {"target", NULL};
    const char *name = "function";
    const struct target *target;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:target_symbol", keywords, &name))
        return NULL;
    target = parse_target(name);
    return target == NULL ? NULL : locate_target(target);
}

/* Adds a constant and takes the reference to its value, which may be NULL with an exception set. */
static int add_constant(PyObject *module, const char *name, PyObject *value)
{
    int failed = value == NULL ? -1 : PyModule_AddObjectRef(module, name, value);

    Py_XDECREF(value);
    return failed;
}

static int workload_exec(PyObject *module)
{
    if (add_constant(module, "TARGETS", target_names()) < 0 ||
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
    {"clock_cost", (PyCFunction)(void (*)(void))workload_clock_cost, METH_VARARGS | METH_KEYWORDS,
     clock_cost_doc},
    {"target_symbol", (PyCFunction)(void (*)(void))workload_target_symbol,
     METH_VARARGS | METH_KEYWORDS, target_symbol_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, workload_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ebpf_overhead._workload",
    .m_doc = "Timed loops in C around the operation a probe is attached to.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__workload(void)
{
    return PyModuleDef_Init(&definition);
}
