"""Where a model comes from and which device it runs on: what every model's loading begins with."""

from pathlib import Path

from contracts.errors import ConfigurationError


def device_of(asked_for: str) -> str:
    """Return the device to use; `auto` is CUDA, then Apple's, then the CPU.

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
    if asked_for == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if asked_for.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f'generator.device = "{asked_for}": no CUDA device here; use "auto" or "cpu"')
    return asked_for


def check_exists(setting: str, model: str) -> None:
    """Check that a model that is plainly a path is there: the hub would be asked for it, and answer in riddles.

    Raises:
        ConfigurationError: it is not.
    """
    if model.startswith(("/", ".", "~")) and not Path(model).exists():
        raise ConfigurationError(f"{setting}: there is no {model}; name a folder, or a model of the hub as owner/name")
