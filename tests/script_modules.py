"""Scripts of ``scripts/`` as modules: their names have no ending, so import does not find them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from types import ModuleType

from processes import ROOT


def load(name: str) -> ModuleType:
    """Return a script as a module; dataclasses find it in ``sys.modules``."""
    module_name = f"scripts_{name.replace('-', '_')}"
    loader = importlib.machinery.SourceFileLoader(module_name, str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(module_name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
