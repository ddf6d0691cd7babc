"""What is safe to show of a text that somebody else wrote."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""Return a text without characters that a terminal obeys instead of showing them.

    A file's or a process's name, and whatever a file says, may hold terminal escapes, or
    characters that turn the order of letters around.

    Parameters
    ----------
    text : str
        What is to be shown.
    keep : str
        Characters that stay all the same, such as ``"\n"``.

    Returns
    -------
    str
        With ``\x1b``, ``\u202e`` and so on in the place of each such character.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


def shortened(text: str, most: int = 80, keep: str = "") -> str:
    """Return a text as an error can quote it: printable and of bounded length."""
    if len(text) <= most:
        return printable(text, keep)
    return f"{printable(text[:most], keep)}… ({len(text)} characters)"
