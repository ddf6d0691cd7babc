/* For memfd_create(2). */
#define _GNU_SOURCE
#include "_workload_memory.h"
#include "_workload_enter.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096

/* Used by the current window: _workload_syscalls.c says by whom. */
static __thread volatile char *page;
static __thread int mapped_file;

LOOP long loop_mmap_touch_munmap(uint64_t calls)
{
    long mapped, result;

    do {
        mapped = system_call_6(SYS_mmap, 0, PAGE_BYTES, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped < 0 && mapped >= -4095)
            return mapped;
        *(volatile char *)mapped = 1;
        result = system_call_3(SYS_munmap, mapped, PAGE_BYTES, 0);
    } while (--calls != 0);
    return result;
}

const char *prepare_mmap_file(uint64_t calls)
{
    (void)calls;
    mapped_file = memfd_create("ebpf_overhead", MFD_CLOEXEC);
    if (mapped_file < 0)
        return "memfd_create";
    return ftruncate(mapped_file, PAGE_BYTES) < 0 ? "ftruncate" : NULL;
}

void finish_mmap_file(void)
{
    int error = errno;

    close(mapped_file);
    errno = error;
}

LOOP long loop_mmap_file(uint64_t calls)
{
    long mapped, result;

    do {
        mapped = system_call_6(SYS_mmap, 0, PAGE_BYTES, PROT_READ, MAP_PRIVATE, mapped_file, 0);
        if (mapped < 0 && mapped >= -4095)
            return mapped;
        result = system_call_3(SYS_munmap, mapped, PAGE_BYTES, 0);
    } while (--calls != 0);
    return result;
}

const char *prepare_page_fault(uint64_t calls)
{
    void *mapped =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)calls;
    page = mapped;
    return mapped == MAP_FAILED ? "mmap" : NULL;
}

void finish_page_fault(void)
{
    int error = errno;

    munmap((void *)page, PAGE_BYTES);
    errno = error;
}

/* The page is given back, so that touching it faults again. */
LOOP long loop_page_fault(uint64_t calls)
{
    volatile char *touched = page;
    long result;

    do {
        result = system_call_3(SYS_madvise, (long)touched, PAGE_BYTES, MADV_DONTNEED);
        *touched = 1;
    } while (--calls != 0);
    return result;
}

/* A small block, which the C library has at hand after the first call. */
LOOP long loop_malloc_free(uint64_t calls)
{
    void *block;

    do {
        block = malloc(64);
        __asm__ volatile("" : "+r"(block) : : "memory"); /* or both calls would be left out */
        free(block);
    } while (--calls != 0);
    return 0;
}
