"""The options for doing something in a guest: which kernel it boots, and how."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from ebpf_overhead.cli.names import KERNEL
from ebpf_overhead.cli.options import add_options
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.guest.variants import USUAL, Variant

_Function = TypeVar("_Function", bound=Callable[..., Any])

_BOOT = "ebpf_overhead.boot"
# Whoever starts the guest asks `to_be_booted`: no other part of a command needs to know.
boot = click.option(
    "--boot",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({_BOOT: value}),
    help="Boot the guest, and do not restore what was saved of an earlier one.",
)


def _keep_variant(context: click.Context, param: click.Parameter, value: str) -> None:
    given = context.meta.setdefault(_VARIANT, {})
    given[param.name] = value


_VARIANT = "ebpf_overhead.variant"
# Asked for by `guest_variant`, as `boot` is.
_VARIANTS = (
    click.option(
        "--boot-args",
        default="",
        show_default=False,
        metavar="TEXT",
        expose_value=False,
        callback=_keep_variant,
        help="Boot the guest's kernel with these arguments besides: mitigations=off"
        " (docs/boot-options.md).",
    ),
    click.option(
        "--cpu-model",
        default="",
        show_default=False,
        metavar="MODEL",
        expose_value=False,
        callback=_keep_variant,
        help="Emulate this CPU model of QEMU's: Nehalem.  [default: max]",
    ),
)


def guest_variant() -> Variant:
    """Return what the command at hand was told of its guest by ``--boot-args``, ``--cpu-model``.

    Raises
    ------
    BadUseError
        They are not such.
    """
    return Variant(**click.get_current_context().meta.get(_VARIANT, {}))


def variant(function: _Function) -> _Function:
    """Add ``--boot-args`` and ``--cpu-model``, which `guest_variant` reads."""
    return add_options(function, _VARIANTS)


def to_be_booted() -> bool:
    """Whether the command at hand was given ``--boot``."""
    return bool(click.get_current_context().meta.get(_BOOT))


def kernel(function: _Function) -> _Function:
    """Add the options for doing it in a guest: ``kernel``, and ``--boot``."""
    option = click.option(
        "--kernel",
        type=KERNEL,
        help="Do it in a guest on this kernel, in instructions; see kernels list.",
    )
    return add_options(_only_for_guests(function, "kernel"), [option, boot, *_VARIANTS])


def _only_for_guests(function: _Function, kernel: str) -> _Function:
    """Have a command refuse what only a guest can have, where none was asked for."""

    @functools.wraps(function)
    def checked(*args: Any, **given: Any) -> Any:
        if guest_variant() != USUAL and not given[kernel]:
            raise BadUseError(
                "--boot-args and --cpu-model are those of a guest: no kernel was named",
                "give --kernel as well",
            )
        return function(*args, **given)

    return cast(_Function, checked)


def kernels(function: _Function) -> _Function:
    """Add the options for doing it in guests: ``kernels``, and ``--boot``."""
    option = click.option(
        "--kernel",
        "kernels",
        type=KERNEL,
        multiple=True,
        help="Do it in a guest on this kernel, in instructions; see kernels list.  May be"
        " repeated: then there is one table of all.",
    )
    return add_options(_only_for_guests(function, "kernels"), [option, boot, *_VARIANTS])
