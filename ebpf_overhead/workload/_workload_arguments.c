#include "_workload_arguments.h"

int parse_whole(const char *name, PyObject *value, long long low, long long high, long long *whole)
{
    PyObject *number;
    int overflow;

    number = PyNumber_Index(value);
    if (number == NULL)
        return -1;
    *whole = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (*whole == -1 && PyErr_Occurred())
        return -1;
    if (overflow || *whole < low || *whole > high) {
        PyErr_Format(PyExc_ValueError, "%s is out of range: %R; choose %lld to %lld", name, value,
                     low, high);
        return -1;
    }
    return 0;
}

PyObject *list_from_times(const int64_t *elapsed_ns, Py_ssize_t windows)
{
    PyObject *list, *time_ns;

    list = PyList_New(windows);
    for (Py_ssize_t i = 0; list != NULL && i < windows; i++) {
        time_ns = PyLong_FromLongLong(elapsed_ns[i]);
        if (time_ns == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, time_ns);
    }
    return list;
}
