/* SPDX-License-Identifier: GPL-2.0-only */
/* The size of a page, which BPF_RINGBUF_OUTPUT counts in; the compiler is told that of this kernel. */
