"""The nudity classifier on a real vision transformer with random weights."""

from pathlib import Path

import numpy as np
import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.gates.nudity import TransformersNudity, means_nudity
from tests.support.tiny_models import save_image_classifier

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # the libraries' own


def test_labels_that_mean_nudity() -> None:
    assert all(map(means_nudity, ("nsfw", "NSFW", "porn", "Explicit_Nudity", "sexy", "unsafe")))
    assert not any(map(means_nudity, ("normal", "non_nude", "not-nsfw", "safe", "sfw", "LABEL_1", "neutral")))


@pytest.mark.gpu_extra
def test_a_classifier_by_path_gives_a_probability(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = save_image_classifier(tmp_path / "nsfw", ("normal", "nsfw"))
    other = save_image_classifier(tmp_path / "turned", ("nsfw", "normal"))
    picture = np.random.default_rng(1).integers(0, 256, (40, 90, 3), np.uint8)
    nude = TransformersNudity(str(model), device="cpu").probability(picture)
    assert 0 < nude < 1
    assert TransformersNudity(str(other), device="cpu").probability(picture) == pytest.approx(1 - nude, abs=1e-5)


@pytest.mark.gpu_extra
def test_a_classifier_of_something_else_stops_the_start(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = save_image_classifier(tmp_path / "pets", ("cat", "dog"))
    with pytest.raises(ConfigurationError, match=r"nudity_model.*cat, dog"):
        TransformersNudity(str(model), device="cpu")


@pytest.mark.gpu_extra
def test_a_model_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ConfigurationError, match=r"generator\.gates\.nudity_model"):
        TransformersNudity(str(tmp_path / "none"), device="cpu")
