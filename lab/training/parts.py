"""The parts of the starter's pipeline, by their classes in diffusers and transformers, and how they are saved.

- Autoencoder: `AutoencoderTiny`, 8-fold, 4 channels, 0.3 M parameters, latents of mean 0 and spread 1.
- Text encoder: `CLIPTextModel`, 2 layers of 128, trained with the rest.
- Denoiser: U-Net of 64, 128 and 192 channels, cross-attention on the two lower levels. The prompt is also pooled into
  the time embedding, as in DeepFloyd IF: palette and light belong to the whole picture, and so reach every layer.
- Scheduler: v-prediction on cosine betas with zero terminal signal-to-noise, trailing steps (Lin et al., arXiv
  2305.08891): without it, pictures cannot be darker or lighter than the average one.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.lab.training.words import BOS, EOS, PAD, TOKENS, tokenizer, vocabulary_size

LARGEST = [12, 48]
"""Height and width of the latents of the widest training pictures, stored as the U-Net's sample size; the painter
derives area and widest aspect from it."""


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Sizes of the networks; the default is the starter's."""

    text_width: int = 128
    channels: tuple[int, int, int] = (64, 128, 192)
    norm_groups: int = 16


STARTER_SIZE = NetworkSize()


def new_autoencoder() -> Any:
    """Return an untrained autoencoder."""
    from diffusers import AutoencoderTiny  # noqa: PLC0415

    return AutoencoderTiny(
        act_fn="silu",
        scaling_factor=1.0,
        encoder_block_out_channels=(32, 32, 32, 32),
        num_encoder_blocks=(0, 1, 1, 1),
        decoder_block_out_channels=(32, 32, 32, 32),
        num_decoder_blocks=(3, 2, 1, 0),
    )


def new_text_encoder(size: NetworkSize = STARTER_SIZE) -> Any:
    """Return an untrained text encoder."""
    from transformers import CLIPTextConfig, CLIPTextModel  # noqa: PLC0415

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size(),
            hidden_size=size.text_width,
            intermediate_size=2 * size.text_width,
            projection_dim=size.text_width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
        )
    )


def new_denoiser(size: NetworkSize = STARTER_SIZE) -> Any:
    """Return an untrained U-Net."""
    from diffusers import UNet2DConditionModel  # noqa: PLC0415

    return UNet2DConditionModel(
        sample_size=LARGEST,
        block_out_channels=size.channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=size.text_width,
        attention_head_dim=4,  # diffusers reads it as the number of heads here
        norm_num_groups=size.norm_groups,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def new_scheduler() -> Any:
    """Return the scheduler that the denoiser is trained and sampled with."""
    from diffusers import DDIMScheduler  # noqa: PLC0415

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


def take_over_weights(model: Path, text_encoder: Any, denoiser: Any) -> int:
    """Copy the weights of a saved pipeline; return how many numbers were copied.

    Weights of the same name and shape are copied as they are; of the embeddings, the words and positions that both
    have. The layer that pools the prompt into the time embedding starts at zero if the saved pipeline lacks it.

    Raises:
        ConfigurationError: the folder does not hold such a pipeline.
    """
    import torch  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    taken = 0
    for network, file in (
        (text_encoder, model / "text_encoder" / "model.safetensors"),
        (denoiser, model / "unet" / "diffusion_pytorch_model.safetensors"),
    ):
        if not file.is_file():
            raise ConfigurationError(f"there is no {file}: name the folder of a Stable Diffusion pipeline")
        own, theirs = network.state_dict(), load_file(file)
        same = {name: each.float() for name, each in theirs.items() if name in own and own[name].shape == each.shape}
        if (pooled := "add_embedding.norm2.weight") in own and pooled not in theirs:
            same[pooled] = torch.zeros_like(own[pooled])
        network.load_state_dict(same, strict=False)
        taken += sum(each.numel() for each in same.values())
    return taken + _take_over_words(model, text_encoder)


def _take_over_words(model: Path, text_encoder: Any) -> int:
    import torch  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    weights = load_file(model / "text_encoder" / "model.safetensors")
    theirs, ours = PreTrainedTokenizerFast.from_pretrained(model / "tokenizer").get_vocab(), tokenizer().get_vocab()
    taken = 0
    for name, own in text_encoder.named_parameters():
        if name not in weights or own.shape == weights[name].shape or own.shape[1:] != weights[name].shape[1:]:
            continue
        known = weights[name].float()
        rows = (
            [(ours[word], theirs[word]) for word in ours.keys() & theirs.keys()]
            if "token_embedding" in name
            else [(place, place) for place in range(min(len(own), len(known)))]
        )
        with torch.no_grad():
            for into, of in rows:
                own[into] = known[of]
        taken += len(rows) * own.shape[1]
    return taken


def save_pipeline(folder: Path, autoencoder: Path, text_encoder: Any, denoiser: Any) -> None:
    """Save a `StableDiffusionPipeline` in half precision, replacing the folder; converts the networks in place."""
    import torch  # noqa: PLC0415
    from diffusers import AutoencoderTiny, StableDiffusionPipeline  # noqa: PLC0415

    pipeline = StableDiffusionPipeline(
        vae=AutoencoderTiny.from_pretrained(autoencoder),
        text_encoder=text_encoder,
        tokenizer=tokenizer(),
        unet=denoiser.to(memory_format=torch.contiguous_format),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)
    partial = folder.with_name(f"{folder.name}.new")
    pipeline.save_pretrained(partial, safe_serialization=True)
    # Older releases of transformers know this class too.
    _amend(partial / "model_index.json", {"tokenizer": ["transformers", "PreTrainedTokenizerFast"]})
    _amend(partial / "tokenizer" / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    _amend(partial / "vae" / "config.json", {"_name_or_path": None})
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _amend(file: Path, changes: Mapping[str, object]) -> None:
    """Change entries of a JSON file; None removes one."""
    entries = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: entry for key, entry in entries.items() if entry is not None}, indent=2) + "\n")
