"""A causal language model with two uses: the likelihood of a text, and text written under a grammar.

Every prompt continues one opening (instructions, examples), which the model reads once, when it is loaded. It reads a
prompt once, too: scoring and writing continue from the prompt's KV cache.
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
"""Sequences per batch: their KV caches must fit into memory (SmolLM2-135M: 7 MB each)."""


class LanguageModel:
    """The causal language model at a path or hub id, or in a `.gguf` file, with an opening for all prompts.

    Not thread-safe.

    Raises:
        ConfigurationError: the model cannot be loaded, or the device is missing.
    """

    def __init__(self, model: str, device: str = "auto", *, opening: str) -> None:
        self._device = device_of(device)
        check_exists("generator.describer_model", model)
        self._tokenizer, self._model = _load(model, self._device)
        # Otherwise the model computes logits for every token of a prompt, which takes most of the time.
        parameters = inspect.signature(self._model.forward).parameters
        self._last_logits_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self.special_tokens: frozenset[int] = frozenset(self._tokenizer.all_special_ids)
        self._compiler: Any = None
        self._opening = self._read_opening(opening)
        self.name = model.rstrip("/").rpartition("/")[2]
        self.parameters: int = sum(tensor.numel() for tensor in self._model.parameters())
        self.fingerprint = _fingerprint(self._model, self.parameters)
        """12 hex digits that change with the model's configuration and size."""

    def with_opening(self, opening: str) -> Self:
        """Return the same model, with shared weights, for prompts that continue another opening."""
        other = copy.copy(self)
        other._opening = other._read_opening(opening)  # noqa: SLF001  (its own kind)
        return other

    def tokens(self, text: str) -> list[int]:
        """Return a text as tokens, without text that spells a control token (`<|im_end|>`)."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [token for token in ids if token not in self.special_tokens]

    def likelihoods(self, prompts: Sequence[str], endings: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return, per prompt, the log-likelihood (nats, the sum over its tokens) of each of its endings."""
        likelihoods: list[list[float]] = []
        for rows in _chunks(len(prompts)):
            likelihoods += self._likelihoods(prompts[rows], endings[rows])
        return likelihoods

    def write(self, prompts: Sequence[str], grammar: str, max_tokens: int) -> list[str | None]:
        """Return the model's greedy continuation of each prompt under a grammar, which is a regular expression.

        A continuation that is not complete after `max_tokens` is None: every returned text matches.

        Raises:
            ConfigurationError: the model's tokenizer cannot be constrained.
        """
        written: list[str | None] = []
        for rows in _chunks(len(prompts)):
            written += self._write(prompts[rows], grammar, max_tokens)
        return written

    def _likelihoods(self, prompts: Sequence[str], endings: Sequence[Sequence[str]]) -> list[list[float]]:
        import torch  # noqa: PLC0415

        tokens = [[self.tokens(ending) for ending in prompt_endings] for prompt_endings in endings]
        with torch.inference_mode():
            state = self._read(prompts)
            first = state.logits.log_softmax(-1)
            likelihoods: list[list[float]] = []
            longer: list[tuple[int, int]] = []
            for row, row_endings in enumerate(tokens):
                likelihoods.append([float(first[row, ending[0]]) for ending in row_endings])
                longer += [(row, column) for column, ending in enumerate(row_endings) if len(ending) > 1]
            for chunk in _chunks(len(longer)):
                places = longer[chunk]
                longer_endings = [tokens[row][column] for row, column in places]
                rests = self._rest_likelihoods(state, [row for row, _ in places], longer_endings)
                for (row, column), rest in zip(places, rests, strict=True):
                    likelihoods[row][column] += rest
        return likelihoods

    def _rest_likelihoods(
        self, state: "_PromptState", prompt_rows: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> list[float]:
        """Return the log-likelihood of each ending after its first token, behind the prompt in that row."""
        import torch  # noqa: PLC0415

        longest = max(map(len, endings)) - 1
        pad = self._tokenizer.pad_token_id
        given = torch.tensor([[*ending[:-1], *[pad] * (longest + 1 - len(ending))] for ending in endings])
        expected = torch.tensor([[*ending[1:], *[-1] * (longest + 1 - len(ending))] for ending in endings])
        expected = expected.to(self._device)
        rows = torch.tensor(prompt_rows, device=self._device)
        cache = copy.deepcopy(state.cache)
        cache.batch_select_indices(rows)
        mask = torch.cat([state.mask[rows], torch.ones_like(expected)], dim=1)
        positions = state.position[rows] + 1 + torch.arange(longest, device=self._device)
        out = self._model(
            input_ids=given.to(self._device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        per_token = out.logits.float().log_softmax(-1).gather(-1, expected.clamp(min=0)[..., None])[..., 0]
        return per_token.masked_fill(expected < 0, 0).sum(-1).tolist()  # type: ignore[no-any-return]  # torch is not seen

    def _write(self, prompts: Sequence[str], grammar: str, max_tokens: int) -> list[str | None]:
        import torch  # noqa: PLC0415
        import xgrammar  # noqa: PLC0415

        matchers = [self._matcher(grammar) for _ in prompts]
        written: list[list[int]] = [[] for _ in prompts]
        with torch.inference_mode():
            state = self._read(prompts)
            bitmask = xgrammar.allocate_token_bitmask(len(prompts), state.logits.shape[-1])
            for _ in range(max_tokens):
                for row, matcher in enumerate(matchers):
                    if not matcher.is_terminated():
                        matcher.fill_next_token_bitmask(bitmask, row)
                xgrammar.apply_token_bitmask_inplace(state.logits, bitmask.to(self._device))
                chosen = state.logits.argmax(-1)
                for matcher, tokens, token in zip(matchers, written, chosen.tolist(), strict=True):
                    if not matcher.is_terminated():
                        matcher.accept_token(token)
                        tokens.append(token)
                if all(matcher.is_terminated() for matcher in matchers):
                    break
                state = self._extend(state, chosen[:, None])
        return [
            self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False) if matcher.is_terminated() else None
            for matcher, tokens in zip(matchers, written, strict=True)
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
            self._compiler = xgrammar.GrammarCompiler(vocabulary, max_threads=1)  # caches compiled grammars
        return xgrammar.GrammarMatcher(self._compiler.compile_regex(grammar), terminate_without_stop_token=True)

    def _read_opening(self, opening: str) -> Any:
        """Return the KV cache of the opening."""
        import torch  # noqa: PLC0415

        inputs = self._tokenizer(opening, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            return self._model(input_ids=inputs["input_ids"], use_cache=True, **self._last_logits_only).past_key_values

    def _read(self, prompts: Sequence[str]) -> "_PromptState":
        """Read prompts that continue the opening."""
        import torch  # noqa: PLC0415

        inputs = self._tokenizer.pad(
            {"input_ids": [self.tokens(prompt) for prompt in prompts]}, return_tensors="pt", padding=True
        ).to(self._device)
        cache = copy.deepcopy(self._opening)
        cache.batch_repeat_interleave(len(prompts))
        opening = torch.ones((len(prompts), cache.get_seq_length()), dtype=torch.long, device=self._device)
        mask = torch.cat([opening, inputs["attention_mask"]], dim=1)
        positions = (mask.cumsum(-1) - 1)[:, opening.shape[1] :]
        return self._forward(inputs["input_ids"], mask, positions, cache)

    def _extend(self, state: "_PromptState", tokens: Any) -> "_PromptState":
        """Read one more token per prompt."""
        import torch  # noqa: PLC0415

        mask = torch.cat([state.mask, torch.ones_like(tokens)], dim=1)
        return self._forward(tokens, mask, state.position + 1, state.cache)

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
    """The model's state after reading prompts. Reading more tokens changes the cache."""

    cache: Any
    logits: Any
    """Logits of the next token: prompts x vocabulary."""
    mask: Any
    position: Any
    """Position of each prompt's last token."""


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, count, _ROWS))


def _load(model: str, device: str) -> tuple[Any, Any]:
    """Return tokenizer and model from safetensors or GGUF, without running the model's own code."""
    import torch  # noqa: PLC0415  (takes seconds: only with a model)
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
        # Read once and passed on: every read of a GGUF file parses its whole vocabulary, which takes seconds.
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
    facts = {name: value for name, value in model.config.to_dict().items() if not name.startswith("_")}
    facts["parameters"] = parameters
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:12]
