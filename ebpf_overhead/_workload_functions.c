#include "_workload_functions.h"

/*
 * A uprobe replaces the first instruction, and its cost depends on which one that is, so nothing
 * may come before it.  In C the compiler's options decide that (endbr64 with -fcf-protection, bti
 * with -mbranch-protection, push with -fno-omit-frame-pointer), and distributions differ in them.
 */
#ifdef WORKLOAD_ASSEMBLY

#define FUNCTION(name, body)                                                                       \
    __asm__(".pushsection .text\n"                                                                 \
            ".balign 16\n"                                                                         \
            ".globl " name "\n"                                                                    \
            ".protected " name "\n"                                                                \
            ".type " name ", %function\n" name ":\n"                                               \
            ".cfi_startproc\n" body "\n"                                                           \
            "ret\n"                                                                                \
            ".cfi_endproc\n"                                                                       \
            ".size " name ", . - " name "\n"                                                       \
            ".popsection\n")

/* x86_64 kernels emulate a nop; what it costs to execute an instruction out of line is not the
 * probe's.  One byte long because recent ones replace the breakpoint on a five-byte nop by a call:
 * another way in, another cost. */
FUNCTION("ebpf_overhead_target", "nop");

/* What C functions begin with where the distribution keeps frame pointers.  x86_64 kernels emulate
 * push; arm64 ones execute the like of it out of line. */
#ifdef WORKLOAD_X86_64
FUNCTION("ebpf_overhead_nop5", ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00");
FUNCTION("ebpf_overhead_nop10", ".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0");
FUNCTION("ebpf_overhead_push", "push %rbp\n"
                               ".cfi_adjust_cfa_offset 8\n"
                               "pop %rbp\n"
                               ".cfi_adjust_cfa_offset -8");
#else
FUNCTION("ebpf_overhead_push", "stp x29, x30, [sp, #-16]!\n"
                               ".cfi_adjust_cfa_offset 16\n"
                               "ldp x29, x30, [sp], #16\n"
                               ".cfi_adjust_cfa_offset -16");
#endif

/* x86_64 kernels execute ret out of line and single-step it: two exceptions instead of one. */
FUNCTION("ebpf_overhead_ret", "");

/*
 * A USDT probe, provider ebpf_overhead, name target, without arguments and semaphore: a nop, and a
 * note that says where it is, in the form that SystemTap's <sys/sdt.h> gave it and every tool
 * reads.  The weak symbol is how such a note tells that the library was prelinked to elsewhere.
 */
FUNCTION("ebpf_overhead_usdt_site", ".globl ebpf_overhead_usdt\n"
                                    ".protected ebpf_overhead_usdt\n"
                                    "ebpf_overhead_usdt:\n"
                                    "nop");

__asm__(".pushsection .note.stapsdt, \"\", %note\n"
        ".balign 4\n"
        ".4byte 2f - 1f, 4f - 3f, 3\n" /* lengths of owner and description; type 3: version 3 */
        "1: .asciz \"stapsdt\"\n"
        "2: .balign 4\n"
        "3: .8byte ebpf_overhead_usdt\n"
        ".8byte _.stapsdt.base\n"
        ".8byte 0\n" /* no semaphore */
        ".asciz \"ebpf_overhead\"\n"
        ".asciz \"target\"\n"
        ".asciz \"\"\n" /* no arguments */
        "4: .balign 4\n"
        ".popsection\n"
        ".pushsection .stapsdt.base, \"aG\", %progbits, .stapsdt.base, comdat\n"
        ".weak _.stapsdt.base\n"
        ".hidden _.stapsdt.base\n"
        "_.stapsdt.base: .space 1\n"
        ".size _.stapsdt.base, 1\n"
        ".popsection\n");

#else

#if !defined(__clang__) /* which neither clones functions nor knows the attribute */
__attribute__((noclone))
#endif
__attribute__((noinline)) void ebpf_overhead_target(void)
{
    __asm__ volatile("nop" : : : "memory");
}

#endif
