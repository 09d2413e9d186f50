"""Prompts in the transformer's width, without padding: computed once per prompt, not once per step.

Padded text tokens are masked for every query and sit at rotary position zero, so leaving them out
changes nothing in the picture and removes the attention mask. The text encoder's vision tower never
sees a picture here and is dropped.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from inference.engine.model import LoadedModel

MAX_PROMPT_TOKENS = 512
CACHED_PROMPTS = 64


class PromptTooLong(Exception):
    """The prompt has more tokens than the model reads; diffusers would cut it silently."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"The prompt has {tokens} tokens and the model reads {limit}. Shorten it.")
        self.tokens = tokens
        self.limit = limit


@dataclass(frozen=True)
class Text:
    """One prompt in the transformer's width: (1, tokens, hidden), computed once per prompt."""

    hidden: torch.Tensor
    prompt_tokens: int

    @property
    def tokens(self) -> int:
        """Text tokens in the transformer's sequence: the prompt's and the template's suffix."""
        return int(self.hidden.shape[1])


def drop_vision_tower(text_encoder: Any) -> int:
    """Free the weights that only pictures would use; returns how many parameters went."""
    tower = getattr(text_encoder, "visual", None)
    if tower is None:
        return 0
    count = sum(int(parameter.numel()) for parameter in tower.parameters())
    text_encoder.visual = None
    return count


def encode_text(model: LoadedModel, prompt: str, *, slot: int = 0) -> Text:
    """Encode ``prompt`` without padding, through the adapters of ``slot``. Raises PromptTooLong.

    Equals the pipeline's padded encoding on the valid tokens: padding is masked for every query and
    takes no position.
    """
    taps, prompt_tokens = text_states(model, prompt)
    transformer = model.pipeline.transformer
    if slot == 0 or model.slots is None:
        fused = transformer.txt_in(transformer.text_fusion(taps))
    else:
        with model.slots.texts.using(torch.tensor([slot], device=model.device)):
            fused = transformer.txt_in(transformer.text_fusion(taps))
    return Text(hidden=fused, prompt_tokens=prompt_tokens)


def text_states(model: LoadedModel, prompt: str) -> tuple[torch.Tensor, int]:
    """The tapped hidden states (1, tokens, layers, width) and the prompt's tokens.

    What training starts from: the projection into the transformer's width may be adapted. Raises
    PromptTooLong.
    """
    pipe = model.pipeline
    prefix = pipe.prompt_template_encode_start_idx
    body = pipe.tokenizer([pipe.prompt_template_encode_prefix + prompt], return_tensors="pt")
    tail = pipe.tokenizer([pipe.prompt_template_encode_suffix], return_tensors="pt")
    prompt_tokens = body.input_ids.shape[1] - prefix
    limit = MAX_PROMPT_TOKENS - pipe.prompt_template_encode_num_suffix_tokens
    if prompt_tokens > limit:
        raise PromptTooLong(prompt_tokens, limit)
    ids = torch.cat([body.input_ids, tail.input_ids], dim=1).to(model.device)
    positions = torch.arange(ids.shape[1], device=model.device)[None, None].expand(3, 1, -1)
    outputs = pipe.text_encoder(
        input_ids=ids,
        attention_mask=torch.ones_like(ids, dtype=torch.bool),
        position_ids=positions,
        output_hidden_states=True,
    )
    taps = torch.stack(
        [outputs.hidden_states[layer] for layer in pipe.text_encoder_select_layers], dim=2
    )
    return taps[:, prefix:].to(model.dtype), prompt_tokens


@dataclass(frozen=True)
class TextBatch:
    """Texts of one batch: (samples, tokens, hidden), and a key mask where lengths differ.

    ``mask`` is None where all texts are equally long; then no attention mask is needed at all.
    """

    hidden: torch.Tensor
    mask: torch.Tensor | None


def stack_texts(texts: Sequence[Text]) -> TextBatch:
    """Texts side by side. Shorter ones are padded at their end and masked: exact, but slower."""
    longest = max(text.tokens for text in texts)
    if all(text.tokens == longest for text in texts):
        first = texts[0].hidden
        if all(text.hidden is first for text in texts):
            return TextBatch(first.expand(len(texts), -1, -1), None)
        return TextBatch(torch.cat([text.hidden for text in texts]), None)
    first = texts[0].hidden
    hidden = first.new_zeros((len(texts), longest, first.shape[2]))
    mask = torch.zeros((len(texts), longest), dtype=torch.bool, device=first.device)
    for row, text in enumerate(texts):
        hidden[row, : text.tokens] = text.hidden[0]
        mask[row, : text.tokens] = True
    return TextBatch(hidden, mask)


class TextCache:
    """The last prompts' encodings, so that a prompt drawn again costs no encoder pass.

    Used from one thread. Holds what the model computed, never a picture.
    """

    def __init__(self, model: LoadedModel, capacity: int = CACHED_PROMPTS) -> None:
        self.model = model
        self.capacity = capacity
        self._texts: OrderedDict[tuple[str, str], Text] = OrderedDict()

    def encoded(self, prompt: str, *, adapters: str = "", slot: int = 0) -> Text:
        """The encoding of ``prompt`` through ``adapters``, which lie in ``slot``. Raises PromptTooLong.

        The key names the adapters, not the slot, for a slot may hold others later.
        """
        key = (prompt, adapters)
        if key in self._texts:
            self._texts.move_to_end(key)
            return self._texts[key]
        text = self._texts[key] = encode_text(self.model, prompt, slot=slot)
        if len(self._texts) > self.capacity:
            self._texts.popitem(last=False)
        return text
