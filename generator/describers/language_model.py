"""A causal language model as this house uses one: how likely is a text here, and what would you write under a grammar.

Every prompt goes on from one opening (instructions, examples), which is read once, when the model is loaded. A prompt
is read once, too: whatever is scored or written after it goes on from what the model keeps of it (its KV cache).
"""

import copy
import hashlib
import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.devices import check_exists, device_of

_ROWS = 32
"""Sequences that are read together: what a model keeps of them must fit into memory (SmolLM2-135M: 7 MB each)."""


class LanguageModel:
    """The causal language model at a path or hub id, or in a `.gguf` file, with an opening for all prompts.

    Not for several threads at once.

    Raises:
        ConfigurationError: the model cannot be loaded, or the device is not there.
    """

    def __init__(self, model: str, device: str = "auto", *, opening: str) -> None:
        self._device = device_of(device)
        check_exists("generator.describer_model", model)
        self._tokenizer, self._model = _load(model, self._device)
        # Else a model works out likelihoods of the whole vocabulary for every token of a prompt: most of the time.
        takes = inspect.signature(self._model.forward).parameters
        self._last_logits_only = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self.special_tokens: frozenset[int] = frozenset(self._tokenizer.all_special_ids)
        self._compiler: Any = None
        self._opening = self._read_opening(opening)
        self.name = model.rstrip("/").rpartition("/")[2]
        self.parameters: int = sum(each.numel() for each in self._model.parameters())
        self.fingerprint = _fingerprint(self._model, self.parameters)
        """12 hex digits that change with the model's configuration and size."""

    def with_opening(self, opening: str) -> Self:
        """Return the same model, its weights shared, for prompts that go on from another opening."""
        other = copy.copy(self)
        other._opening = other._read_opening(opening)  # noqa: SLF001  (its own kind)
        return other

    def tokens(self, text: str) -> list[int]:
        """Return a text as tokens. What spells a control token (`<|im_end|>`) is left out."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [each for each in ids if each not in self.special_tokens]

    def likelihoods(self, prompts: Sequence[str], endings: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return, per prompt, the log-likelihood (nats, the sum over its tokens) of each of its endings."""
        likely: list[list[float]] = []
        for rows in _chunks(len(prompts)):
            likely += self._likelihoods(prompts[rows], endings[rows])
        return likely

    def write(self, prompts: Sequence[str], grammar: str, longest: int) -> list[str | None]:
        """Return what the model writes after each prompt, greedily, under a grammar: a regular expression.

        None where it was not done after `longest` tokens: what is returned always matches.

        Raises:
            ConfigurationError: the model's tokenizer cannot be constrained.
        """
        written: list[str | None] = []
        for rows in _chunks(len(prompts)):
            written += self._write(prompts[rows], grammar, longest)
        return written

    def _likelihoods(self, prompts: Sequence[str], endings: Sequence[Sequence[str]]) -> list[list[float]]:
        import torch  # noqa: PLC0415

        tokens = [[self.tokens(each) for each in row] for row in endings]
        with torch.inference_mode():
            read = self._read(prompts)
            first = read.logits.log_softmax(-1)
            likely = [[float(first[at, ending[0]]) for ending in row] for at, row in enumerate(tokens)]
            longer = [(at, place) for at, row in enumerate(tokens) for place, each in enumerate(row) if len(each) > 1]
            for rows in _chunks(len(longer)):
                pairs = longer[rows]
                rests = self._rest_likelihoods(
                    read, [at for at, _ in pairs], [tokens[at][place] for at, place in pairs]
                )
                for (at, place), rest in zip(pairs, rests, strict=True):
                    likely[at][place] += rest
        return likely

    def _rest_likelihoods(
        self, read: "_PromptState", of: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> list[float]:
        """Return the log-likelihood of each ending after its first token, behind the prompt that `of` names."""
        import torch  # noqa: PLC0415

        longest = max(map(len, endings)) - 1
        pad = self._tokenizer.pad_token_id
        given = torch.tensor([[*each[:-1], *[pad] * (longest + 1 - len(each))] for each in endings])
        wanted = torch.tensor([[*each[1:], *[-1] * (longest + 1 - len(each))] for each in endings]).to(self._device)
        rows = torch.tensor(of, device=self._device)
        cache = copy.deepcopy(read.cache)
        cache.batch_select_indices(rows)
        mask = torch.cat([read.mask[rows], torch.ones_like(wanted)], dim=1)
        positions = read.position[rows] + 1 + torch.arange(longest, device=self._device)
        out = self._model(
            input_ids=given.to(self._device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        each = out.logits.float().log_softmax(-1).gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
        return each.masked_fill(wanted < 0, 0).sum(-1).tolist()  # type: ignore[no-any-return]  # torch is not seen

    def _write(self, prompts: Sequence[str], grammar: str, longest: int) -> list[str | None]:
        import torch  # noqa: PLC0415
        import xgrammar  # noqa: PLC0415

        matchers = [self._matcher(grammar) for _ in prompts]
        written: list[list[int]] = [[] for _ in prompts]
        with torch.inference_mode():
            read = self._read(prompts)
            bitmask = xgrammar.allocate_token_bitmask(len(prompts), read.logits.shape[-1])
            for _ in range(longest):
                for at, matcher in enumerate(matchers):
                    if not matcher.is_terminated():
                        matcher.fill_next_token_bitmask(bitmask, at)
                xgrammar.apply_token_bitmask_inplace(read.logits, bitmask.to(self._device))
                chosen = read.logits.argmax(-1)
                for matcher, row, token in zip(matchers, written, chosen.tolist(), strict=True):
                    if not matcher.is_terminated():
                        matcher.accept_token(token)
                        row.append(token)
                if all(matcher.is_terminated() for matcher in matchers):
                    break
                read = self._extend(read, chosen[:, None])
        return [
            self._tokenizer.decode(row, clean_up_tokenization_spaces=False) if matcher.is_terminated() else None
            for matcher, row in zip(matchers, written, strict=True)
        ]

    def _matcher(self, grammar: str) -> Any:
        import xgrammar  # noqa: PLC0415

        if self._compiler is None:
            try:
                vocabulary = xgrammar.TokenizerInfo.from_huggingface(
                    self._tokenizer, vocab_size=self._model.get_input_embeddings().num_embeddings
                )
            except (ValueError, RuntimeError) as error:
                raise ConfigurationError(
                    f"generator.describer_model {self.name!r} has a tokenizer that xgrammar cannot constrain: {error}; "
                    'let it choose instead: generator.describer_mode = "choose"'
                ) from error
            self._compiler = xgrammar.GrammarCompiler(vocabulary, max_threads=1)  # keeps what it has compiled
        return xgrammar.GrammarMatcher(self._compiler.compile_regex(grammar), terminate_without_stop_token=True)

    def _read_opening(self, opening: str) -> Any:
        """Return what the model keeps of the opening."""
        import torch  # noqa: PLC0415

        inputs = self._tokenizer(opening, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            return self._model(input_ids=inputs["input_ids"], use_cache=True, **self._last_logits_only).past_key_values

    def _read(self, prompts: Sequence[str]) -> "_PromptState":
        """Read prompts that go on from the opening."""
        import torch  # noqa: PLC0415

        inputs = self._tokenizer.pad(
            {"input_ids": [self.tokens(each) for each in prompts]}, return_tensors="pt", padding=True
        ).to(self._device)
        cache = copy.deepcopy(self._opening)
        cache.batch_repeat_interleave(len(prompts))
        opening = torch.ones((len(prompts), cache.get_seq_length()), dtype=torch.long, device=self._device)
        mask = torch.cat([opening, inputs["attention_mask"]], dim=1)
        positions = (mask.cumsum(-1) - 1)[:, opening.shape[1] :]
        return self._forward(inputs["input_ids"], mask, positions, cache)

    def _extend(self, read: "_PromptState", tokens: Any) -> "_PromptState":
        """Read one more token per prompt."""
        import torch  # noqa: PLC0415

        mask = torch.cat([read.mask, torch.ones_like(tokens)], dim=1)
        return self._forward(tokens, mask, read.position + 1, read.cache)

    def _forward(self, ids: Any, mask: Any, positions: Any, cache: Any) -> "_PromptState":
        out = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **self._last_logits_only,
        )
        return _PromptState(out.past_key_values, out.logits[:, -1].float(), mask, positions[:, -1:])


@dataclass(frozen=True, slots=True)
class _PromptState:
    """Prompts that the model has read: what it needs to go on. Reading on changes the cache."""

    cache: Any
    logits: Any
    """Of the next token: prompts x vocabulary."""
    mask: Any
    position: Any
    """Of each prompt's last token."""


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, count, _ROWS))


def _load(model: str, device: str) -> tuple[Any, Any]:
    """Return tokenizer and model: safetensors or GGUF, none of the model's own code run."""
    import torch  # noqa: PLC0415  (seconds and gigabytes: only where a model is asked)
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    path = Path(model)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": path.exists()}
    weights: dict[str, Any] = {"dtype": torch.float32 if device == "cpu" else torch.float16}
    source = model
    if path.suffix == ".gguf":
        source, options["gguf_file"] = str(path.parent), path.name
    else:
        weights["use_safetensors"] = True
    try:
        # Read once and handed on: each reading of a GGUF file parses its whole vocabulary, for seconds.
        config = AutoConfig.from_pretrained(source, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, config=config, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(source, config=config, **options, **weights)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigurationError(
            f"generator.describer_model {model!r} cannot be loaded as a causal language model in safetensors or GGUF "
            f'(valid is, for example, "/models/SmolLM2-1.7B-Instruct"): {error}'
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer, loaded.to(device).eval()


def _fingerprint(model: Any, parameters: int) -> str:
    told = {name: value for name, value in model.config.to_dict().items() if not name.startswith("_")}
    told["parameters"] = parameters
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]
