"""One real pipeline per family of diffusion models, with random weights, a few hundred kilobytes each.

The shapes are those of diffusers' own tests, reduced further. Saved as safetensors in the layout of their real
counterparts, so that tests execute all code that loads and runs models. With ControlNets, tiny VAEs and adapters.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.tiny_models import clip_words, save_text_to_image


def save_xl(folder: Path) -> Path:
    """Save a Stable Diffusion XL pipeline: two text encoders, and the picture's size as a condition."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,
        cross_attention_dim=64,
    )
    pipeline = StableDiffusionXLPipeline(
        unet=unet,
        vae=_vae(),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="trailing"),
        text_encoder=_clip(projected=False),
        text_encoder_2=_clip(projected=True),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_sd3(folder: Path) -> Path:
    """Save a Stable Diffusion 3 pipeline: three text encoders, a flow-matching transformer."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(0)
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=32,
            patch_size=1,
            in_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            out_channels=16,
        ),
        vae=_vae(channels=16, scaling_factor=1.5305, shift_factor=0.0609),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=_clip(projected=True),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_clip(projected=True),
        tokenizer_2=_clip_tokenizer(),
        text_encoder_3=_t5(width=64),
        tokenizer_3=_t5_tokenizer(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_flux(folder: Path) -> Path:
    """Save a FLUX.1 pipeline: CLIP and T5, latents packed two by two."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(0)
    pipeline = FluxPipeline(
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
        ),
        # The pipeline's default size follows from the VAE's levels: with one level it is 128 x 128.
        vae=_vae(levels=1, scaling_factor=1.5035, shift_factor=0.0609),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=_clip(projected=False),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_t5(width=32),
        tokenizer_2=_t5_tokenizer(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_sana(folder: Path) -> Path:
    """Save a SANA pipeline: a language model as text encoder, linear attention, a deep-compression autoencoder."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SanaPipeline

    pipeline = SanaPipeline(**_sana_parts(), scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0))
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_sana_sprint(folder: Path) -> Path:
    """Save a SANA-Sprint pipeline: SANA with guidance built in, and the schedule of a consistency model."""
    from diffusers import SanaSprintPipeline, SCMScheduler

    parts = _sana_parts(guidance_embeds=True, qk_norm="rms_norm_across_heads")
    pipeline = SanaSprintPipeline(**parts, scheduler=SCMScheduler())
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _sana_parts(**denoiser: Any) -> dict[str, Any]:
    """Return the common parts of SANA and SANA-Sprint; `denoiser` has options in which their transformers differ."""
    import torch
    from diffusers import AutoencoderDC, SanaTransformer2DModel
    from transformers import Gemma2Config, Gemma2Model

    torch.manual_seed(0)
    tokenizer = _gemma_tokenizer()
    blocks = ("ResBlock", "EfficientViTBlock")
    return {
        "transformer": SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=32,
            **denoiser,
        ),
        "vae": AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=blocks,
            decoder_block_types=blocks,
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        "text_encoder": Gemma2Model(
            Gemma2Config(
                vocab_size=len(tokenizer),
                head_dim=16,
                hidden_size=8,
                intermediate_size=64,
                num_attention_heads=2,
                num_hidden_layers=1,
                num_key_value_heads=2,
            )
        ),
        "tokenizer": tokenizer,
    }


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "sd": save_text_to_image,
    "sdxl": save_xl,
    "sd3": save_sd3,
    "flux": save_flux,
    "sana": save_sana,
    "sana-sprint": save_sana_sprint,
}


def save_controlnet(family: Path, folder: Path) -> Path:
    """Save a ControlNet that is a copy of a family's own layers, as at the start of its training."""
    import diffusers

    pipeline = diffusers.DiffusionPipeline.from_pretrained(family)
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    match type(denoiser).__name__:
        case "UNet2DConditionModel":
            net: Any = diffusers.ControlNetModel.from_unet(denoiser, conditioning_embedding_out_channels=(16, 32))
        case "SD3Transformer2DModel":
            net = diffusers.SD3ControlNetModel.from_transformer(
                denoiser, num_layers=1, num_extra_conditioning_channels=0
            )
        case "FluxTransformer2DModel":
            net = diffusers.FluxControlNetModel.from_transformer(
                denoiser, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2
            )
        case "SanaTransformer2DModel":
            net = diffusers.SanaControlNetModel.from_config(denoiser.config)
        case other:
            raise ValueError(other)
    _fill_zeros(net)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_vae(folder: Path, *, channels: int = 4) -> Path:
    """Save a TAESD-like autoencoder, as deep as the tiny families' own."""
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    AutoencoderTiny(
        encoder_block_out_channels=(16, 16),
        decoder_block_out_channels=(16, 16),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=channels,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def save_lora(family: Path, file: Path, *, seed: int = 1) -> Path:
    """Save a LoRA of a family's denoiser that visibly changes every picture."""
    import diffusers
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(seed)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(family)
    part = "unet" if hasattr(pipeline, "unet") else "transformer"
    denoiser = getattr(pipeline, part)
    attention = ["to_q", "to_k", "to_v", "to_out.0"]
    targets = [*attention, "conv1"] if part == "unet" else attention
    denoiser.add_adapter(LoraConfig(r=4, lora_alpha=32, init_lora_weights=False, target_modules=targets))
    weights = get_peft_model_state_dict(denoiser)
    type(pipeline).save_lora_weights(file.parent, **{f"{part}_lora_layers": weights}, weight_name=file.name)
    return file


def save_textual_inversion(file: Path, *, for_xl: bool = False) -> Path:
    """Save the embedding vectors of one word, large enough to change a picture."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(3)
    names = ("clip_l", "clip_g") if for_xl else ("<word>",)
    save_file({name: torch.randn(2, 32) * 20 for name in names}, file)
    return file


def _vae(*, levels: int = 2, channels: int = 4, **more: float) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 64)[:levels],
        latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        **more,
    )


def _clip(*, projected: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    words = clip_words()
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        projection_dim=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=77,
        bos_token_id=words["<|startoftext|>"],
        eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(vocab=clip_words(), merges=[], model_max_length=77)


def _t5(width: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=len(_letters()), d_model=width, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    )


def _t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    return T5Tokenizer(vocab=_letters(), extra_ids=0, model_max_length=77)


def _gemma_tokenizer() -> Any:
    from transformers import GemmaTokenizer

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    return GemmaTokenizer(vocab={token: index for index, token in enumerate([*special, *_printable()])}, merges=[])


def _letters() -> list[tuple[str, float]]:
    return [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((token, -1.0) for token in _printable())]


def _printable() -> list[str]:
    return ["▁", *(chr(code) for code in range(33, 127))]


def _fill_zeros(net: Any) -> None:
    """Fill the weights that training initialises with zeros; with zeros, the net would have no effect."""
    import torch

    torch.manual_seed(2)
    for weight in net.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.5)
