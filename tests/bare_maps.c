/*
 * A process that maps and unmaps a page, and may have a probe:
 *
 *     cc -O2 -static -o bare_maps bare_maps.c
 *     ./bare_maps none|emulated|stepped PAGES FILE
 *
 * It says how it is called, waits for a line, calls the function of that name once, and prints the
 * ns per mapping and unmapping of anonymous memory, of FILE to read, and of FILE to write privately,
 * and how many mappings it has.  PAGES more pages are mapped before.  It shares no line with the
 * project, and no library, whose mappings would be more.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define CALLS      20
#define WINDOWS    100
/* Of all windows, this one is printed: the first ones may be luckier than most. */
#define CHOSEN 5

/* The kernel emulates the first instruction of the one, and steps that of the other. */
void emulated(void);
void stepped(void);
__asm__(".globl emulated, stepped\n.type emulated, @function\n.type stepped, @function\n"
        "emulated: nop\nret\n.size emulated, . - emulated\n"
        "stepped: test %rdi, %rdi\nret\n.size stepped, . - stepped\n");

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *first, const void *second)
{
    double one = *(const double *)first, other = *(const double *)second;

    return (one > other) - (one < other);
}

static double mapping_ns(int protection, int flags, int file)
{
    double values[WINDOWS];

    for (int window = 0; window < WINDOWS; window++) {
        double start = now_ns();

        for (int call = 0; call < CALLS; call++) {
            void *page = mmap(NULL, PAGE_BYTES, protection, flags, file, 0);

            if (page == MAP_FAILED)
                fail("mmap");
            munmap(page, PAGE_BYTES);
        }
        values[window] = (now_ns() - start) / CALLS;
    }
    qsort(values, WINDOWS, sizeof(*values), compare);
    return values[CHOSEN];
}

static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int lines = 0;

    if (maps == NULL)
        fail("/proc/self/maps");
    for (int letter = getc(maps); letter != EOF; letter = getc(maps))
        lines += letter == '\n';
    fclose(maps);
    return lines;
}

static void print_all(int file)
{
    const int write = PROT_READ | PROT_WRITE;
    double anonymous = mapping_ns(write, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    double to_read = mapping_ns(PROT_READ, MAP_PRIVATE, file);
    double to_write = mapping_ns(write, MAP_PRIVATE, file);

    printf("%.0f %.0f %.0f %d\n", anonymous, to_read, to_write, mappings());
    fflush(stdout);
}

/* Has everything lie at the same addresses each time, whose page tables are the same then. */
static void lie_still(char **argv)
{
    int now = personality(0xffffffff);

    if (now & ADDR_NO_RANDOMIZE)
        return;
    if (personality(now | ADDR_NO_RANDOMIZE) < 0)
        fail("personality");
    execv("/proc/self/exe", argv);
    fail("exec");
}

int main(int argc, char **argv)
{
    int file;

    lie_still(argv);
    if (argc != 4 || (file = open(argv[3], O_RDONLY)) < 0) {
        fprintf(stderr, "usage: %s none|emulated|stepped PAGES FILE\n", argv[0]);
        return 2;
    }
    for (int page = 0; page < atoi(argv[2]); page++) /* neighbours that differ stay apart */
        mmap(NULL, PAGE_BYTES, page % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    puts(argv[1]);
    fflush(stdout);
    getchar();
    if (strcmp(argv[1], "emulated") == 0)
        emulated();
    if (strcmp(argv[1], "stepped") == 0)
        stepped();
    print_all(file); /* warms up */
    print_all(file);
    return 0;
}
