/* For vfork-like flags of clone(2). */
#define _GNU_SOURCE
#include "_workload_enter.h"
#include "_workload_functions.h"
#include "_workload_tasks.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>

#ifdef WORKLOAD_ASSEMBLY

/* A program that ends at once, with status 0. */
#define ADDRESS 0x400000
static const struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    unsigned int code[4];
} smallest = {
    .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
               .e_type = ET_EXEC,
               .e_version = EV_CURRENT,
               .e_entry = ADDRESS + offsetof(struct program, code),
               .e_phoff = offsetof(struct program, segment),
               .e_ehsize = sizeof(Elf64_Ehdr),
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 1,
#if defined(__x86_64__)
               .e_machine = EM_X86_64},
    /* mov $231 (exit_group), %eax; xor %edi, %edi; syscall */
    .code = {0x0000e7b8, 0x0fff3100, 0x00000005},
#else
               .e_machine = EM_AARCH64},
    /* mov x8, #94 (exit_group); mov x0, #0; svc #0 */
    .code = {0xd2800bc8, 0xd2800000, 0xd4000001},
#endif
    .segment = {.p_type = PT_LOAD,
                .p_flags = PF_R | PF_X,
                .p_vaddr = ADDRESS,
                .p_filesz = sizeof(struct program),
                .p_memsz = sizeof(struct program),
                .p_align = 4096},
};

/* The directory with the program, for the current window: _workload_syscalls.c says of whom. */
static __thread int directory;

/* A tmpfs that is mounted nowhere, and gone when its descriptor is closed.  A program is called as
 * its file is: that is why a file without a name does not do. */
static const char *mount_directory(void)
{
    int context = (int)syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);
    int error;

    if (context < 0)
        return "fsopen tmpfs";
    directory = -1;
    if (syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0)
        directory = (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
    error = errno;
    close(context);
    errno = error;
    return directory < 0 ? "fsmount tmpfs" : NULL;
}

static const char *write_program(void)
{
    int file = openat(directory, task_name, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    ssize_t written;

    if (file < 0)
        return "openat in tmpfs";
    written = write(file, &smallest, sizeof(smallest));
    close(file);
    return written == (ssize_t)sizeof(smallest) ? NULL : "write to tmpfs";
}

/* A child of another thread has a copy of the writer's descriptor until it executes its program.
 * So long execve(2) of this one fails with ETXTBSY, and so long a read lease is refused. */
static const char *wait_for_copies(void)
{
    int file = openat(directory, task_name, O_RDONLY | O_CLOEXEC);
    int refused;

    if (file < 0)
        return "openat in tmpfs";
    do
        refused = fcntl(file, F_SETLEASE, F_RDLCK);
    while (refused < 0 && errno == EAGAIN && sched_yield() == 0);
    close(file);
    return refused < 0 ? "fcntl F_SETLEASE" : NULL;
}

const char *prepare_exec(uint64_t calls)
{
    const char *failed_call = mount_directory();
    int error;

    if (failed_call != NULL)
        return failed_call;
    failed_call = write_program();
    if (failed_call == NULL)
        failed_call = wait_for_copies();
    if (failed_call == NULL)
        failed_call = prepare_tasks(calls);
    if (failed_call != NULL) {
        error = errno;
        close(directory);
        errno = error;
    }
    return failed_call;
}

void finish_exec(void)
{
    int error = errno;

    finish_tasks();
    close(directory);
    errno = error;
}

/* As posix_spawn(3) does it: the child runs in this process's memory until it has the program.  It
 * only makes system calls, so nothing of this function's stack changes meanwhile. */
LOOP long loop_exec(uint64_t calls)
{
    char path[64];
    char *arguments[] = {task_name, NULL};
    long child, ended;
    int status;

    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", directory, task_name);
    do {
        child = system_call_6(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0, 0);
        if (child == 0)
            for (;;) {
                system_call_3(SYS_execve, (long)path, (long)arguments, 0);
                system_call_1(SYS_exit_group, 127);
            }
        ended = system_call_6(SYS_wait4, child, (long)&status, 0, 0, 0, 0);
    } while (--calls != 0);
    if (child < 0)
        return child;
    return ended >= 0 && status != 0 ? -ENOEXEC : ended;
}

#if defined(__x86_64__)
#define CLONE(flags, child_id) system_call_6(SYS_clone, flags, 0, 0, child_id, 0, 0)
#else
#define CLONE(flags, child_id) system_call_6(SYS_clone, flags, 0, 0, 0, child_id, 0)
#endif

/* A thread that ends at once, and the wait for its end, as pthread_join(3) waits.  It needs no
 * stack of its own because it puts nothing on one. */
LOOP long loop_thread_create(uint64_t calls)
{
    const long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                       CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    volatile int running;
    long child;

    do {
        running = 1;
        child = CLONE(flags, (long)&running);
        if (child == 0)
            for (;;)
                system_call_1(SYS_exit, 0);
        if (child < 0)
            return child;
        do
            system_call_6(SYS_futex, (long)&running, FUTEX_WAIT, 1, 0, 0, 0);
        while (running);
    } while (--calls != 0);
    return child;
}

#endif
