#include "_workload_symbol.h"

#include <link.h>

/* An address of this process, and the place in a file that it was loaded from. */
struct location {
    uintptr_t address;
    const char *path;
    uintptr_t offset_bytes;
};

/* Called for every loaded library; stops at the one whose segment holds the address.  A uprobe
 * needs the offset in the file.  It differs from the linker's address of the symbol where a segment
 * lies at different places in file and memory. */
static int match_library(struct dl_phdr_info *library, size_t size_bytes, void *argument)
{
    struct location *location = argument;
    const ElfW(Phdr) * segment;
    uintptr_t start;

    (void)size_bytes;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        segment = &library->dlpi_phdr[i];
        start = library->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD || location->address < start ||
            location->address >= start + segment->p_filesz)
            continue;
        /* The program itself has no name here. */
        location->path = *library->dlpi_name != '\0' ? library->dlpi_name : "/proc/self/exe";
        location->offset_bytes = location->address - start + segment->p_offset;
        return 1;
    }
    return 0;
}

PyObject *locate_workload(const struct workload *workload)
{
    struct location location = {.address = (uintptr_t)workload->address};

    if (workload->symbol == NULL)
        return PyErr_Format(PyExc_ValueError, "workload has no symbol: '%s'", workload->name);
    if (dl_iterate_phdr(match_library, &location) == 0)
        return PyErr_Format(PyExc_RuntimeError, "dl_iterate_phdr: no library holds %s",
                            workload->symbol);
    return Py_BuildValue("NsK", PyUnicode_DecodeFSDefault(location.path), workload->symbol,
                         (unsigned long long)location.offset_bytes);
}
