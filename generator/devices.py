"""Checks where a model comes from and picks its device: the first step of loading any model."""

import ctypes
from functools import cache
from pathlib import Path

from bannerstream.contracts.errors import ConfigurationError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`, as malloc.h numbers them."""
_NEVER = 1 << 30
"""Bytes: no tensor on a CPU is as large."""


def device_of(requested: str) -> str:
    """Return the device to use; `auto` is CUDA, then Apple's, then the CPU, where glibc then keeps freed memory.

    Raises:
        ConfigurationError: the requested device is missing, or the models' libraries are not installed.
    """
    try:
        import torch  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "language and diffusion models need libraries that are not installed: run `make setup-gpu`, or "
            f"pip install 'bannerstream[gpu]' ({error})"
        ) from error
    if requested.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f'generator.device = "{requested}": no CUDA device here; use "auto" or "cpu"')
    device = _best_device() if requested == "auto" else requested
    if device == "cpu":
        _keep_freed_memory()
    return device


def check_exists(setting: str, model: str) -> None:
    """Check that a model given as a path exists; otherwise the hub is queried for it and its error misleads.

    Raises:
        ConfigurationError: the path does not exist.
    """
    if model.startswith(("/", ".", "~")) and not Path(model).exists():
        raise ConfigurationError(f"{setting}: there is no {model}; name a folder, or a model of the hub as owner/name")


def _best_device() -> str:
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@cache
def _keep_freed_memory() -> None:
    """Make glibc keep the memory that tensors free.

    By default it returns every large block to the kernel, which zeroes it again for the next layer.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return
    mallopt(_TRIM_THRESHOLD, _NEVER)
    mallopt(_MMAP_THRESHOLD, _NEVER)
