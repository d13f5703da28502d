"""Trains text encoder and U-Net together, on encoded scenes; can be stopped and continued at any step.

Step n draws all randomness from (seed, n), and the learning rate depends on n alone, so a training that was stopped
continues exactly like one that was not.

It starts on latents pooled 2 x 2, where a step costs a third and colour, light and place are learnt as well, and
continues on full ones. Recipe: stratified time steps (Kingma et al., arXiv 2107.00630), more of them at high noise,
where colour, light and place are determined; the error at two scales (Hoogeboom et al., arXiv 2301.11093); AdamW with a
constant rate that falls to zero at the end (a finished training can continue from before the fall); a moving average of
the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bannerstream.lab.training.parts import (
    STARTER_SIZE,
    NetworkSize,
    new_denoiser,
    new_scheduler,
    new_text_encoder,
    take_over_weights,
)
from bannerstream.lab.training.shards import Shard, Shards
from bannerstream.lab.training.words import TOKENS, caption, tokenizer

_TIME_STEPS = 1000
_TOWARDS_NOISE = 0.6
"""Exponent on uniformly drawn time steps; below 1, more of them lie at high noise."""
_WARM_UP = 100
"""Steps over which the rate rises."""
_AVERAGE = 0.998
"""Decay of the moving average: about the last 500 steps."""
_LARGEST_GRADIENT = 1.0
_PARTS, _OF_TINT = (3, 3), 2.0
"""Grid and weight of the extra error over large parts of the picture, which penalises a wrong tint."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a training. The same plan and shards give the same weights."""

    steps: int
    pooled_steps: int = 0
    """Number of first steps that use pooled latents."""
    cool_down: int = 500
    """Number of last steps over which the rate falls to zero."""
    batch: int = 16
    pooled_batch: int = 48
    rate: float = 1e-3
    shards_first: int = 4
    """Shards available before the first step."""
    steps_per_shard: int = 150
    """A new shard is added after this many steps."""
    shards_kept: int = 48
    """Beyond this number the oldest shards are dropped."""
    seed: int = 0
    size: NetworkSize = STARTER_SIZE

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        left = (self.steps - step) / self.cool_down if self.cool_down else 1.0
        return self.rate * min(1.0, (step + 1) / _WARM_UP) * min(1.0, max(left, 0.0))

    def shards_at(self, step: int) -> range:
        """Return the shards that a step chooses from."""
        end = self.shards_first + step // self.steps_per_shard
        return range(max(0, end - self.shards_kept), end)


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a training after a step."""

    step: int
    loss: float
    rate: float
    pooled: bool


class DenoiserTraining:
    """The networks in training, their moving average and the optimiser's state.

    `begin` is the folder of a pipeline whose weights are copied where they fit.
    """

    def __init__(self, plan: Plan, device: str, *, begin: Path | None = None) -> None:
        import torch  # noqa: PLC0415

        self.step = 0
        self._plan, self._device = plan, device
        torch.manual_seed(plan.seed)
        self._text, self._unet = new_text_encoder(plan.size), new_denoiser(plan.size)
        if begin is not None:
            take_over_weights(begin, self._text, self._unet)
        self._text.to(device).train()
        self._unet.to(device, memory_format=torch.channels_last).train()
        self._parameters = [*self._text.parameters(), *self._unet.parameters()]
        self._average = [each.detach().clone() for each in self._parameters]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self._tokenizer = tokenizer()
        self._signal = new_scheduler().alphas_cumprod.to(device)

    def run(self, shards: Shards) -> Iterator[Progress]:
        """Train up to the plan's last step, one step at a time."""
        while self.step < self._plan.steps:
            pooled = self.step < self._plan.pooled_steps
            rate = self._plan.rate_at(self.step)
            loss = self._train(*self._batch(shards, pooled), rate)
            self.step += 1
            yield Progress(self.step, loss, rate, pooled)

    def save(self, file: Path) -> None:
        """Write a checkpoint atomically, with everything needed to continue."""
        import torch  # noqa: PLC0415

        partial = file.with_suffix(".partial")
        torch.save(
            {
                "step": self.step,
                "text": self._text.state_dict(),
                "unet": self._unet.state_dict(),
                "average": self._average,
                "optimiser": self._optimiser.state_dict(),
            },
            partial,
        )
        partial.replace(file)

    def load(self, file: Path) -> None:
        """Continue from a checkpoint."""
        import torch  # noqa: PLC0415

        state: dict[str, Any] = torch.load(file, map_location=self._device, weights_only=True)
        self.step = state["step"]
        self._text.load_state_dict(state["text"])
        self._unet.load_state_dict(state["unet"])
        self._average = state["average"]
        self._optimiser.load_state_dict(state["optimiser"])

    def averaged(self) -> tuple[Any, Any]:
        """Return copies of the text encoder and the U-Net with the averaged weights, on the CPU."""
        import torch  # noqa: PLC0415

        text, unet = new_text_encoder(self._plan.size), new_denoiser(self._plan.size)
        with torch.no_grad():
            for into, averaged in zip([*text.parameters(), *unet.parameters()], self._average, strict=True):
                into.copy_(averaged)
        return text.eval(), unet.eval()

    def _batch(self, shards: Shards, pooled: bool) -> tuple[Any, Any, Any]:
        """Return latents, token ids and the step's random generator."""
        import torch  # noqa: PLC0415
        from torch.nn.functional import avg_pool2d  # noqa: PLC0415

        rng = Random(f"{self._plan.seed} {self.step}")
        choice = self._plan.shards_at(self.step)
        shards.prepare(choice.stop)
        shards.drop_before(choice.start)
        shard: Shard = shards.shard(rng.choice(choice))
        chosen = rng.sample(range(len(shard.latents)), self._plan.pooled_batch if pooled else self._plan.batch)
        latents = shard.latents[chosen].float()
        if pooled:
            spread = latents.std()
            latents = avg_pool2d(latents, 2)
            latents *= spread / latents.std()
        captions = [caption(shard.labels_of(index), rng) for index in chosen]
        tokens = self._tokenizer(
            captions, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt"
        ).input_ids
        # On the CPU, so that a seed means the same on every device.
        noise = torch.Generator().manual_seed(rng.getrandbits(62))
        return latents, tokens, noise

    def _train(self, latents: Any, tokens: Any, noise_source: Any, rate: float) -> float:
        import torch  # noqa: PLC0415
        from torch.nn.functional import adaptive_avg_pool2d  # noqa: PLC0415

        count = len(latents)
        first = torch.rand(1, generator=noise_source)
        shares = ((first + torch.arange(count) / count) % 1) ** _TOWARDS_NOISE
        times = (shares * _TIME_STEPS).long().clamp(max=_TIME_STEPS - 1).to(self._device)
        noise = torch.randn(latents.shape, generator=noise_source).to(self._device)
        latents = latents.to(self._device)
        signal = self._signal[times].view(-1, 1, 1, 1)
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        velocity = signal.sqrt() * noise - (1 - signal).sqrt() * latents
        words = self._text(tokens.to(self._device))[0]
        found = self._unet(noisy.contiguous(memory_format=torch.channels_last), times, words, return_dict=False)[0]
        wrong = found - velocity
        loss = wrong.square().mean() + _OF_TINT * adaptive_avg_pool2d(wrong, _PARTS).square().mean()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, _LARGEST_GRADIENT)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self._follow()
        return float(loss.detach())

    def _follow(self) -> None:
        """Update the moving average; faster in the beginning, while the weights still change much."""
        import torch  # noqa: PLC0415

        decay = min(_AVERAGE, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(self._average, [each.detach() for each in self._parameters], 1 - decay)
