"""Which device a model runs on."""

from contracts.errors import ConfigurationError


def device_of(asked_for: str) -> str:
    """Return the device to use; `auto` is CUDA, then Apple's, then the CPU.

    Raises:
        ConfigurationError: the device that was asked for is not there.
    """
    import torch  # noqa: PLC0415

    if asked_for == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if asked_for.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f'generator.device = "{asked_for}": no CUDA device here; use "auto" or "cpu"')
    return asked_for
