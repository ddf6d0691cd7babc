#include "_workload_errors.h"

#include <Python.h>
#include <errno.h>
#include <string.h>

void raise_os_error(const char *what, const char *remedy)
{
    PyObject *message, *error;
    int number = errno;

    if (remedy != NULL)
        message = PyUnicode_FromFormat("%s: %s; %s", what, strerror(number), remedy);
    else
        message = PyUnicode_FromFormat("%s: %s", what, strerror(number));
    if (message == NULL)
        return;
    /* Calling OSError, unlike PyErr_Format, sets its errno and chooses the subclass. */
    error = PyObject_CallFunction(PyExc_OSError, "iN", number, message);
    if (error == NULL)
        return;
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}
