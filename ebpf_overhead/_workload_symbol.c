#include "_workload_symbol.h"

#include <link.h>

/* An address of this process, and where in which file it came from. */
struct location {
    uintptr_t address;
    const char *path;
    uintptr_t offset_bytes;
};

/* Called for every loaded library: stops at the one whose segment holds the address.  A uprobe is
 * placed by the offset in the file, which differs from the address the linker gave the symbol
 * wherever a segment's two starts differ. */
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
        location->path = library->dlpi_name;
        location->offset_bytes = location->address - start + segment->p_offset;
        return 1;
    }
    return 0;
}

PyObject *locate_target(const struct target *target)
{
    struct location location = {.address = (uintptr_t)target->address};

    if (target->symbol == NULL)
        return PyErr_Format(PyExc_ValueError, "target has no symbol: '%s'", target->name);
    if (dl_iterate_phdr(match_library, &location) == 0)
        return PyErr_Format(PyExc_RuntimeError, "dl_iterate_phdr: no library holds %s",
                            target->symbol);
    return Py_BuildValue("NsK", PyUnicode_DecodeFSDefault(location.path), target->symbol,
                         (unsigned long long)location.offset_bytes);
}
