# SPDX-License-Identifier: Apache-2.0
"""Where is liblonghaul.so, and does it fit this package?"""
import ctypes
import os
import sysconfig
import threading
from pathlib import Path
from typing import List, Optional

from . import _abi

FILE = "liblonghaul.so.0"
_lock = threading.Lock()
_loaded: Optional[ctypes.CDLL] = None


class LibraryNotFoundError(ImportError):
    """liblonghaul.so was not found, cannot be loaded, or is of another version. The text says which, and what to do."""


def candidates() -> List[str]:
    """What is tried, in order: only LONGHAUL_LIBRARY where that is set, else the wheel's own library, else the system's loader
    (ld.so.conf, LD_LIBRARY_PATH)."""
    named = os.environ.get("LONGHAUL_LIBRARY")
    if named:
        return [_inside(Path(named))]
    own = Path(__file__).parent / "lib" / FILE
    return ([str(own)] if own.exists() else []) + [FILE]


def _inside(named: Path) -> str:
    """A file as it is; of a folder (an installation's prefix, a build folder, or lib itself) the library in it."""
    if not named.is_dir():
        return str(named)
    folders = [".", "lib", "lib64", os.path.join("lib", str(sysconfig.get_config_var("MULTIARCH") or "."))]
    for folder in folders:
        if (named / folder / FILE).exists():
            return str(named / folder / FILE)
    raise LibraryNotFoundError(f"LONGHAUL_LIBRARY={named} is a folder without {FILE} (looked in it and in {', '.join(folders[1:])}): "
                               f"name the prefix of an installation, or the file itself")


def load() -> ctypes.CDLL:
    """The library, loaded once a process, at the first call that needs it. Raises LibraryNotFoundError."""
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _open()
    return _loaded


def _open() -> ctypes.CDLL:
    failures = []
    for path in candidates():
        if os.sep in path and not os.path.exists(path):
            failures.append(f"{path}: there is no such file")
            continue
        try:
            library = ctypes.CDLL(path)
        except OSError as error:  # a missing dependency of the library is named in the text
            failures.append(f"{path}: {error}")
            continue
        _check(library, path)
        return library
    raise LibraryNotFoundError(
        "cannot load the Longhaul library. " + "; ".join(failures) + ". Set LONGHAUL_LIBRARY to liblonghaul.so or to the prefix it is "
        "installed in, or install a wheel that has it inside (scripts/make_wheel.sh)")


def _check(library: ctypes.CDLL, path: str) -> None:
    try:
        _abi.declare(library)
    except AttributeError as error:
        raise LibraryNotFoundError(f"{path} is not the Longhaul library, or is older than this package: {error}") from None
    version = ctypes.c_int()
    library.lhGetVersion(ctypes.byref(version))
    found = (version.value // 10000, version.value // 100 % 100)
    if found != _abi.VERSION:
        raise LibraryNotFoundError(f"{path} has version {found[0]}.{found[1]}, this package needs {_abi.VERSION[0]}.{_abi.VERSION[1]}: "
                                   f"install both from the same release")
