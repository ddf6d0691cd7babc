/* SPDX-License-Identifier: GPL-2.0-only */
/* BCC asks which helpers it may declare; the oldest kernel supported has them all. */
#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + (patch))
#ifndef LINUX_VERSION_CODE
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 10, 0)
#endif
