"""Requests to make banners from, and a pipeline of fakes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerRequest
from tests.support.generator_fakes import NOW, Fakes, RequestFor


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny real pipeline of each family under its name, and what belongs to them."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from tests.support.tiny_families import FAMILIES, save_controlnet, save_lora, save_textual_inversion, save_tiny_vae

    folder = tmp_path_factory.mktemp("families")
    for name, save in FAMILIES.items():
        save(folder / name)
        if name != "sana-sprint":  # diffusers has no ControlNet for it
            save_controlnet(folder / name, folder / f"{name}-controlnet")
        save_lora(folder / name, folder / f"{name}-warm.safetensors", seed=1)
    save_lora(folder / "sd", folder / "sd-cold.safetensors", seed=2)
    save_textual_inversion(folder / "sd-word.safetensors")
    save_textual_inversion(folder / "sdxl-word.safetensors", for_xl=True)
    save_tiny_vae(folder / "taesd")
    save_tiny_vae(folder / "taesd3", channels=16)
    return folder


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    with ThreadPoolExecutor(2) as executor:
        yield Fakes(executor)


@pytest.fixture
def request_for() -> RequestFor:
    """Return a function that asks for the banner of a product, `p1` unless told otherwise."""

    def make(
        product_id: str = "p1",
        *,
        title: str = "Stoneware Mug",
        image_key: str | None = None,
        cohort_id: str = "cosy",
    ) -> BannerRequest:
        product = with_rev(
            Product(
                product_id=product_id, title=title, category="kitchen", cohorts={cohort_id: 1.0}, image_key=image_key
            )
        )
        cohort = with_rev(
            Cohort(cohort_id=cohort_id, name="Cosy", mood=("warm",), palette=("#ffffff", "#ddccbb", "#884422"))
        )
        key = banner_key(product, cohort, locale="en", variant="a", creative_revision="1")
        return BannerRequest(
            banner_key=key,
            product=product,
            cohort=cohort,
            locale="en",
            variant="a",
            creative_revision="1",
            requested_at=NOW,
            event_appended_at=NOW - 500,
        )

    return make
