"""Where a model comes from and which device it runs on: what every model's loading begins with."""

import ctypes
from functools import cache
from pathlib import Path

from bannerstream.contracts.errors import ConfigurationError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`, as malloc.h numbers them."""
_NEVER = 1 << 30
"""Bytes: no tensor on a CPU is as large."""


def device_of(asked_for: str) -> str:
    """Return the device to use; `auto` is CUDA, then Apple's, then the CPU, for which freed memory is kept from now on.

    Raises:
        ConfigurationError: the device that was asked for is not there, or the models' libraries are not installed.
    """
    try:
        import torch  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "language and diffusion models need libraries that are not installed: run `make setup-gpu`, or "
            f"pip install 'bannerstream[gpu]' ({error})"
        ) from error
    if asked_for.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f'generator.device = "{asked_for}": no CUDA device here; use "auto" or "cpu"')
    device = _best_device() if asked_for == "auto" else asked_for
    if device == "cpu":
        _keep_freed_memory()
    return device


def check_exists(setting: str, model: str) -> None:
    """Check that a model that is plainly a path is there: the hub would be asked for it, and answer in riddles.

    Raises:
        ConfigurationError: it is not.
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
    """Have the C library keep what tensors free, where it is glibc.

    It would give every large block back to the kernel, which hands it out zeroed, layer after layer.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return
    mallopt(_TRIM_THRESHOLD, _NEVER)
    mallopt(_MMAP_THRESHOLD, _NEVER)
