"""What the tests of programs share."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.programs import bcc


@pytest.fixture
def bcc_installed() -> None:
    """Skip where BCC is not installed: these tests have it compile, which needs no kernel."""
    try:
        bcc.library_path()
    except MissingToolError as error:
        pytest.skip(str(error))
