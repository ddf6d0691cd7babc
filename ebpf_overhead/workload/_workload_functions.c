#include "_workload_functions.h"

/*
 * A uprobe replaces the first instruction, and its cost depends on that instruction.  In C,
 * compiler options choose it (endbr64 with -fcf-protection, bti with -mbranch-protection, push with
 * -fno-omit-frame-pointer), and distributions use different options.  Hence assembly.
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

/* x86_64 kernels emulate a nop, so no instruction is executed out of line, which costs extra.  The
 * nop has one byte: on a five-byte nop, recent kernels replace the breakpoint by a call, which has
 * another cost. */
FUNCTION("ebpf_overhead_target", "nop");

/* The first instruction of C functions where the distribution keeps frame pointers.  x86_64 kernels
 * emulate push; arm64 kernels execute its counterpart out of line. */
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

/* Many instructions, 16 bytes apart, as functions are: to attach to all of them.  Nobody calls it.
 */
FUNCTION("ebpf_overhead_places", ".rept 1024\n"
                                 "nop\n"
                                 ".balign 16\n"
                                 ".endr");

/*
 * A USDT probe, provider ebpf_overhead, name target, without arguments and semaphore.  It is a nop,
 * and a note that gives its address, in the form of SystemTap's <sys/sdt.h>, which every tool
 * reads. The weak symbol lets a tool see that prelinking moved the library.
 */
FUNCTION("ebpf_overhead_usdt_site", ".globl ebpf_overhead_usdt\n"
                                    ".protected ebpf_overhead_usdt\n"
                                    "ebpf_overhead_usdt:\n"
                                    "nop");

/* An instruction that is single-stepped, and another one that returns. */
#ifdef WORKLOAD_X86_64
FUNCTION("ebpf_overhead_test", "test %edi, %edi");
#endif

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
