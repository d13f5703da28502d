"""Packaged judges of whole pictures: BRISQUE, which needs no reference, and LPIPS, which compares two."""

import contextlib
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.pipeline.ports import Pixels

_LPIPS_SIDE = 64
"""Least side in pixels for AlexNet's five layers."""


class Naturalness(Protocol):
    """Scores a picture by itself."""

    def score(self, pixels: Pixels) -> float:
        """Return the distance from natural pictures, about 0 (natural) to 100."""
        ...


class Brisque:
    """BRISQUE (Mittal, Moorthy & Bovik 2012) with the support vector machine inside the package.

    Raises:
        ConfigurationError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from brisque import BRISQUE  # noqa: PLC0415  (loads scikit-image)
        except ImportError as error:
            raise ConfigurationError(f"BRISQUE needs pip install 'bannerstream[evaluate]' ({error})") from error
        self._engine: Any = BRISQUE(url=False)
        scale = self._engine.scale_features
        # brisque 0.2 returns some features as arrays of one number, which numpy 2.4 no longer converts.
        self._engine.scale_features = lambda features: scale([np.asarray(each).item() for each in features])

    def score(self, pixels: Pixels) -> float:
        """Return the score; lower is better, and pictures without texture may score below 0."""
        with contextlib.redirect_stdout(None):
            return float(self._engine.score(pixels))


class Lpips:
    """LPIPS (Zhang et al. 2018) on AlexNet: the heads come inside the package `lpips`, the network by path.

    `network` is a state dict of torchvision's AlexNet, in safetensors or as a tensor-only `.pth`.

    Raises:
        ConfigurationError: a package is not installed, or the file does not hold AlexNet.
    """

    def __init__(self, network: Path) -> None:
        try:
            import lpips  # noqa: PLC0415  (torch and torchvision)
            import torch  # noqa: PLC0415
            from safetensors.torch import load_file  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(f"LPIPS needs pip install 'bannerstream[lpips]' ({error})") from error
        try:
            if network.suffix == ".safetensors":
                weights = load_file(network)
            else:
                weights = torch.load(network, map_location="cpu", weights_only=True)
            with contextlib.redirect_stdout(None):
                self._model: Any = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
            # The package splits the network into slices that keep torchvision's layer numbers.
            slices = {f"slice{number}" for number in range(1, 6)}
            own = self._model.net.state_dict()
            named = {f"features.{name.split('.', 1)[1]}": name for name in own if name.split(".")[0] in slices}
            self._model.net.load_state_dict({own_name: weights[name] for name, own_name in named.items()})
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            raise ConfigurationError(f"--lpips {network} does not hold torchvision's AlexNet: {error}") from error

    def distance(self, first: Pixels, second: Pixels) -> float:
        """Return the perceptual distance of two RGB pictures of one size, 0 for equal ones."""
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            return float(self._model(*(torch.from_numpy(_seen(each)) for each in (first, second))))


def _seen(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return a batch of one, channels first, -1 to 1, large enough for the network."""
    factor = max(1.0, _LPIPS_SIDE / min(pixels.shape[:2]))
    sized = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else pixels
    return np.ascontiguousarray((sized.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None], np.float32)
