/*
 * The system calls that attach and inspect BPF programs and that Python has no
 * function for.  Nothing is interpreted here: attributes are the structures of
 * ebpf_overhead/bpf/structures.py, and results are integers.  Every failure is an
 * OSError that names the call.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The new mount calls have one number on every architecture but alpha. */
#ifndef __NR_fsopen
#define __NR_fsopen   430
#define __NR_fsconfig 431
#define __NR_fsmount  432
#endif

#define FSOPEN_CLOEXEC_FLAG     1
#define FSMOUNT_CLOEXEC_FLAG    1
#define FSCONFIG_CREATE_COMMAND 6

/* Turns a failed system call into an exception. */
static PyObject *raise_os_error(const char *call)
{
    int error = errno;
    PyObject *arguments =
        Py_BuildValue("(iN)", error, PyUnicode_FromFormat("%s: %s", call, strerror(error)));
    if (arguments != NULL) {
        PyErr_SetObject(PyExc_OSError, arguments);
        Py_DECREF(arguments);
    }
    return NULL;
}

/* bpf(command, attribute): the attribute is a writable buffer, read and filled. */
static PyObject *syscalls_bpf(PyObject *Py_UNUSED(module), PyObject *args)
{
    int command;
    Py_buffer attribute;
    if (!PyArg_ParseTuple(args, "iw*:bpf", &command, &attribute))
        return NULL;
    long result;
    Py_BEGIN_ALLOW_THREADS result =
        syscall(__NR_bpf, command, attribute.buf, (unsigned int)attribute.len);
    Py_END_ALLOW_THREADS int error = errno;
    PyBuffer_Release(&attribute);
    errno = error;
    if (result < 0)
        return raise_os_error("bpf");
    return PyLong_FromLong(result);
}

/* perf_event_open(attribute, pid, cpu, group_fd, flags) -> file descriptor. */
static PyObject *syscalls_perf_event_open(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer attribute;
    int pid, cpu, group_fd;
    unsigned long flags;
    if (!PyArg_ParseTuple(args, "y*iiik:perf_event_open", &attribute, &pid, &cpu, &group_fd,
                          &flags))
        return NULL;
    long fd = syscall(__NR_perf_event_open, attribute.buf, pid, cpu, group_fd, flags);
    int error = errno;
    PyBuffer_Release(&attribute);
    errno = error;
    if (fd < 0)
        return raise_os_error("perf_event_open");
    return PyLong_FromLong(fd);
}

/*
 * detached_mount(fstype) -> file descriptor of the root of a mount that is in no
 * mount namespace.  Nobody sees it.  It goes when the descriptor is closed, for
 * whatever reason.
 */
static PyObject *syscalls_detached_mount(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *fstype;
    if (!PyArg_ParseTuple(args, "s:detached_mount", &fstype))
        return NULL;
    int context = (int)syscall(__NR_fsopen, fstype, FSOPEN_CLOEXEC_FLAG);
    if (context < 0)
        return raise_os_error("fsopen");
    PyObject *result = NULL;
    if (syscall(__NR_fsconfig, context, FSCONFIG_CREATE_COMMAND, NULL, NULL, 0) < 0) {
        raise_os_error("fsconfig");
    } else {
        int mount = (int)syscall(__NR_fsmount, context, FSMOUNT_CLOEXEC_FLAG, 0);
        result = mount < 0 ? raise_os_error("fsmount") : PyLong_FromLong(mount);
    }
    close(context);
    return result;
}

/* address(buffer) -> where a buffer lies, for the pointers inside attributes. */
static PyObject *syscalls_address(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer buffer;
    if (!PyArg_ParseTuple(args, "y*:address", &buffer))
        return NULL;
    PyObject *result = PyLong_FromVoidPtr(buffer.buf);
    PyBuffer_Release(&buffer);
    return result;
}

static PyMethodDef syscalls_methods[] = {
    {"bpf", syscalls_bpf, METH_VARARGS, "The system call bpf(2)."},
    {"perf_event_open", syscalls_perf_event_open, METH_VARARGS,
     "The system call perf_event_open(2)."},
    {"detached_mount", syscalls_detached_mount, METH_VARARGS,
     "Mounts a file system where nobody sees it."},
    {"address", syscalls_address, METH_VARARGS, "The address of a buffer's first byte."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef syscalls_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ebpf_overhead.bpf._syscalls",
    .m_doc = "The system calls behind ebpf_overhead.bpf.syscall and ebpf_overhead.bpf.pseudofs.",
    .m_size = 0,
    .m_methods = syscalls_methods,
};

static const struct {
    const char *name;
    long number;
} numbers[] = {
    {"NR_getpid", __NR_getpid},         {"NR_getppid", __NR_getppid},
    {"NR_getpgid", __NR_getpgid},       {"NR_read", __NR_read},
    {"NR_write", __NR_write},           {"NR_openat", __NR_openat},
    {"NR_close", __NR_close},           {"NR_sendto", __NR_sendto},
    {"NR_newfstatat", __NR_newfstatat}, {"NR_sched_yield", __NR_sched_yield},
    {"NR_pwrite64", __NR_pwrite64},     {"NR_fsync", __NR_fsync},
    {"NR_madvise", __NR_madvise},       {"NR_mmap", __NR_mmap},
    {"NR_munmap", __NR_munmap},         {"NR_futex", __NR_futex},
    {"NR_socket", __NR_socket},         {"NR_connect", __NR_connect},
    {"NR_accept4", __NR_accept4},       {"NR_timerfd_settime", __NR_timerfd_settime},
    {"NR_clone", __NR_clone},           {"NR_exit", __NR_exit},
    {"NR_exit_group", __NR_exit_group}, {"NR_wait4", __NR_wait4},
    {"NR_execve", __NR_execve},         {"NR_recvfrom", __NR_recvfrom},
    {"NR_tgkill", __NR_tgkill},         {"NR_rt_sigreturn", __NR_rt_sigreturn},
};

PyMODINIT_FUNC PyInit__syscalls(void)
{
    PyObject *module = PyModule_Create(&syscalls_module);
    for (size_t i = 0; module != NULL && i < sizeof(numbers) / sizeof(*numbers); i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].number) < 0)
            Py_CLEAR(module);
    return module;
}
