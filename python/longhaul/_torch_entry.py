# SPDX-License-Identifier: Apache-2.0
"""What does PyTorch find by this package's entry points?

It calls `autoload` in every `import torch`, where an exception would break that import, and newer versions call `register` where a program
asks for the backend. Neither loads the C library or longhaul.torch: that waits for the first process group.
"""
from typing import Any


def autoload() -> None:
    """Entry point torch.backends."""
    try:
        register()
    except Exception:  # a PyTorch without distributed, or of another time: init_process_group then says that it does not know the backend
        pass


def register() -> None:
    """Entry point torch.distributed.backends; also called by longhaul.torch. Once or more."""
    from torch.distributed import Backend

    if "longhaul" not in Backend.backend_list:
        Backend.register_backend("longhaul", _create, extended_api=True, devices=["cpu", "cuda"])


def _create(options: Any, pg_options: Any) -> Any:
    from .torch import _backend

    return _backend.create(options, pg_options)
