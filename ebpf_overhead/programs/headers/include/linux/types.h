/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's fixed-width types, as far as BCC's helpers.h and the programs use them. */
#ifndef EBPF_OVERHEAD_LINUX_TYPES_H
#define EBPF_OVERHEAD_LINUX_TYPES_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u64 __aligned_u64 __attribute__((aligned(8)));

typedef __s8 s8, int8_t;
typedef __u8 u8, uint8_t;
typedef __s16 s16, int16_t;
typedef __u16 u16, uint16_t;
typedef __s32 s32, int32_t;
typedef __u32 u32, uint32_t;
typedef __s64 s64, int64_t;
typedef __u64 u64, uint64_t;

typedef __u16 __be16, __le16, __sum16;
typedef __u32 __be32, __le32, __wsum;
typedef __u64 __be64, __le64;

typedef unsigned long size_t, uintptr_t;
typedef int pid_t;
typedef _Bool bool;

/* What programs take for words of the language. */
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef noinline
#define noinline __attribute__((noinline))
#endif
#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif
#ifndef __user
#define __user
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

#define true  1
#define false 0
#define NULL  ((void *)0)

#endif
