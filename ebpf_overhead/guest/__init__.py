"""Guests: QEMU virtual machines booted on a kernel, with the host's files read-only.

`ebpf_overhead.guest.vm.Guest` is the way in.  Half of this package runs on the host and
half inside the guest (`init`, `agent`, `child`, `forked`, `wire`); the inside half uses
the standard library only, because any interpreter of the host may have to run it.
"""
