"""Prompts expanded by a causal language model of the operator's choice, in the engine's process.

The model only ever adds: what it writes stands behind the prompt, which stays as it is. Greedy decoding,
so that the same prompt becomes the same text.
"""

import logging
import threading
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inference.engine.jobs import Outbox
from inference.kernel.expansion import joined

logger = logging.getLogger(__name__)
MOST_NEW_TOKENS = 96
ASK = (
    "Continue this description of a picture with light, composition and materials that fit it. Add to "
    "it, contradict nothing, name no person, write one line.\n\n"
)


class Expander:
    """One causal model by folder, loaded at its first use. ``expanded`` may be called from any thread."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._loaded: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    def expanded(self, prompt: str) -> str:
        """``prompt`` with what the model adds. Raises what transformers raises for a broken folder."""
        with self._lock:
            tokenizer, model = self._model()
            ids = asked(tokenizer, prompt).to(model.device)
            with torch.inference_mode():
                written = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=MOST_NEW_TOKENS,
                    do_sample=False,
                    pad_token_id=tokenizer.eos_token_id,
                )
        text: str = tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
        return joined(prompt, first_line(text))

    def _model(self) -> tuple[Any, Any]:
        if self._loaded is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                self.folder, local_files_only=True, dtype="auto"
            )
            placed: Any = model
            self._loaded = tokenizer, placed.to(device).eval()
        return self._loaded


def asked(tokenizer: Any, prompt: str) -> torch.Tensor:
    """The tokens that the model goes on from: a chat's turn where it has a template, else plain text."""
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": ASK + prompt}]
        ids: torch.Tensor = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        return ids
    plain: torch.Tensor = tokenizer(f"{ASK}{prompt},", return_tensors="pt").input_ids
    return plain


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line for line in text.splitlines() if line.strip()), "")


def answer_expanded(expander: Expander, send: Outbox, ticket: str, prompt: str) -> None:
    """Say ``expanded``; a model that fails leaves the prompt as it is, and the log says why."""
    try:
        text = expander.expanded(prompt)
    except Exception:
        logger.exception("the prompt expander failed; the prompt is drawn as it is")
        text = prompt
    send("expanded", {"ticket": ticket, "text": text})
