"""Diffusion pipelines with the published architectures and random weights: the same cost, and nothing to download.

The numbers are those of the published `config.json` files (stabilityai/sd-turbo, stabilityai/sdxl-turbo,
madebyollin/taesd); options that do not change the cost (vocabularies, noise schedules' betas) have their defaults.
`reduced` is SD-Turbo with a tenth of the channels on a quarter of the area, for machines without a GPU.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

CLIP_LENGTH = 77
"""Tokens of a prompt. Prompts are padded to this length, so that they cost the same."""

_SD_BLOCKS = {
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
_SD_TURBO_UNET = {
    **_SD_BLOCKS,
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": (5, 10, 20, 20),
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
_REDUCED_UNET = _SD_TURBO_UNET | {
    "sample_size": 32,
    "block_out_channels": (32, 64, 128, 128),
    "attention_head_dim": (1, 2, 4, 4),
    "cross_attention_dim": 128,
}
_SDXL_TURBO_UNET = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280),
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_OPENCLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 23}
_REDUCED_TEXT = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 2, "num_hidden_layers": 3}
_CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
}
_OPENCLIP_BIG_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
_VAE_CHANNELS = (128, 256, 512, 512)
_REDUCED_VAE_CHANNELS = (32, 32, 64, 64)


def save(architecture: str, folder: Path, *, device: str) -> Path:
    """Save a pipeline of an architecture, with random weights, and return its folder.

    Raises:
        KeyError: the architecture is unknown.
    """
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    with torch.device(device):
        pipeline = ARCHITECTURES[architecture]()
    dtype = torch.float32 if device == "cpu" else torch.float16
    pipeline.to(dtype=dtype).save_pretrained(folder, safe_serialization=True)
    return folder


def save_taesd(folder: Path) -> Path:
    """Save a tiny VAE; the defaults of its class are those of TAESD."""
    from diffusers import AutoencoderTiny  # noqa: PLC0415

    AutoencoderTiny().save_pretrained(folder, safe_serialization=True)
    return folder


def _sd_turbo() -> Any:
    return _stable_diffusion(_SD_TURBO_UNET, _OPENCLIP_H, _VAE_CHANNELS)


def _reduced() -> Any:
    return _stable_diffusion(_REDUCED_UNET, _REDUCED_TEXT, _REDUCED_VAE_CHANNELS)


def _stable_diffusion(unet: dict[str, Any], text: dict[str, Any], vae_channels: tuple[int, ...]) -> Any:
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel  # noqa: PLC0415
    from transformers import CLIPTextModel  # noqa: PLC0415

    return StableDiffusionPipeline(
        unet=UNet2DConditionModel(**unet),
        vae=_vae(vae_channels, scaling_factor=0.18215),
        text_encoder=CLIPTextModel(_text_config(text)),
        tokenizer=_tokenizer(),
        scheduler=_turbo_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl_turbo() -> Any:
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel  # noqa: PLC0415
    from transformers import CLIPTextModel, CLIPTextModelWithProjection  # noqa: PLC0415

    return StableDiffusionXLPipeline(
        unet=UNet2DConditionModel(**_SDXL_TURBO_UNET),
        vae=_vae(_VAE_CHANNELS, scaling_factor=0.13025),
        text_encoder=CLIPTextModel(_text_config(_CLIP_L)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(_OPENCLIP_BIG_G)),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        scheduler=_turbo_scheduler(),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )


def _vae(channels: tuple[int, ...], *, scaling_factor: float) -> Any:
    from diffusers import AutoencoderKL  # noqa: PLC0415

    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        latent_channels=4,
        layers_per_block=2,
        sample_size=512,
        scaling_factor=scaling_factor,
    )


def _text_config(sizes: dict[str, Any]) -> Any:
    from transformers import CLIPTextConfig  # noqa: PLC0415

    words = _words()
    return CLIPTextConfig(
        **sizes,
        vocab_size=len(words),
        max_position_embeddings=CLIP_LENGTH,
        bos_token_id=words["<|startoftext|>"],
        eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
    )


def _tokenizer() -> Any:
    from transformers import CLIPTokenizer  # noqa: PLC0415

    return CLIPTokenizer(vocab=_words(), merges=[], model_max_length=CLIP_LENGTH)


def _words() -> dict[str, int]:
    """Return a vocabulary of single bytes: the content of a prompt does not matter here."""
    from tokenizers import pre_tokenizers  # noqa: PLC0415

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return {word: index for index, word in enumerate(words)}


def _turbo_scheduler() -> Any:
    from diffusers import EulerDiscreteScheduler  # noqa: PLC0415

    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="trailing",
        steps_offset=1,
    )


ARCHITECTURES: dict[str, Callable[[], Any]] = {"sd-turbo": _sd_turbo, "sdxl-turbo": _sdxl_turbo, "reduced": _reduced}
