"""Real models with random weights, a few hundred kilobytes each, in place of models of several gigabytes.

Saved as safetensors in the layout of their real counterparts and loaded by path, so that tests execute all code that
loads and runs models.
"""

import json
from pathlib import Path
from typing import Any


def save_text_to_image(folder: Path) -> Path:
    """Save a Stable Diffusion pipeline whose 64 x 64 pictures are noise."""
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline(**_parts(unet_channels=4)).save_pretrained(folder, safe_serialization=True)
    return folder


def save_inpainting(folder: Path) -> Path:
    """Save a Stable Diffusion inpainting pipeline: its inputs are latents, mask and masked picture."""
    from diffusers import StableDiffusionInpaintPipeline

    StableDiffusionInpaintPipeline(**_parts(unet_channels=9)).save_pretrained(folder, safe_serialization=True)
    return folder


def save_image_text_model(folder: Path) -> Path:
    """Save a CLIP with two layers per tower, and its processor."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        CLIPTextConfig,
        CLIPTokenizer,
        CLIPVisionConfig,
    )

    torch.manual_seed(0)
    words = clip_words()
    tower = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
    text = CLIPTextConfig(
        vocab_size=len(words),
        max_position_embeddings=77,
        bos_token_id=words["<|startoftext|>"],
        eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
        **tower,
    )
    vision = CLIPVisionConfig(image_size=32, patch_size=8, **tower)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    CLIPModel(config).save_pretrained(folder, safe_serialization=True)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    tokenizer = CLIPTokenizer(vocab=words, merges=[], model_max_length=77)
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def save_siglip(folder: Path, *, second: bool = False) -> Path:
    """Save a SigLIP with two layers per tower, and its processor; `second`: SigLIP 2 for pictures of any proportions.

    As in the published models, texts have no attention mask, and the tokenizer has no maximum length.
    """
    import torch
    import transformers

    torch.manual_seed(0)
    specials = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    words = {word: index for index, word in enumerate([*specials, "▁", *"abcdefghijklmnopqrstuvwxyz"])}
    tower = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
    text = {"vocab_size": len(words), "max_position_embeddings": 16, "projection_size": 32, **tower}
    text |= {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    tokenizer = transformers.Siglip2Tokenizer(vocab=words, padding_side="right", model_input_names=["input_ids"])
    if second:
        vision = {"patch_size": 16, "num_patches": 256, **tower}
        model = transformers.Siglip2Model(transformers.Siglip2Config(text_config=text, vision_config=vision))
        processor = transformers.Siglip2Processor(transformers.Siglip2ImageProcessor(), tokenizer)
    else:
        vision = {"image_size": 32, "patch_size": 8, **tower}
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
        pictures = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
        processor = transformers.SiglipProcessor(pictures, tokenizer)
    model.save_pretrained(folder, safe_serialization=True)
    processor.save_pretrained(folder)
    return folder


def save_image_classifier(folder: Path, labels: tuple[str, ...]) -> Path:
    """Save a vision transformer of two layers that classifies into these labels, at random."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    ViTForImageClassification(config).save_pretrained(folder, safe_serialization=True)
    seen = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(seen))
    return folder


def _parts(unet_channels: int) -> dict[str, Any]:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    words = clip_words()
    text_config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=77,
        bos_token_id=words["<|startoftext|>"],
        eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
    )
    return {
        "unet": UNet2DConditionModel(
            sample_size=32,
            in_channels=unet_channels,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(32, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
        ),
        "vae": AutoencoderKL(
            block_out_channels=[32, 64],
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            down_block_types=["DownEncoderBlock2D", "DownEncoderBlock2D"],
            up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D"],
        ),
        "scheduler": DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False),
        "text_encoder": CLIPTextModel(text_config),
        "tokenizer": CLIPTokenizer(vocab=words, merges=[], model_max_length=77),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def clip_words() -> dict[str, int]:
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return {word: index for index, word in enumerate(words)}
