"""How many tokens a prompt has for the model, counted before anything is paid; no torch in here."""

from functools import cache
from pathlib import Path

from django.conf import settings
from tokenizers import Tokenizer

# Krea 2 reads 512 tokens, of which the five of its closing template are not the prompt's.
MAX_PROMPT_TOKENS = 512 - 5


def prompt_tokens(text: str) -> int | None:
    """Tokens of ``text``; None where they cannot be counted or cannot be too many.

    The tokenizer works on bytes, so a text has at most as many tokens as bytes and a short one needs
    no counting. The engine counts again, with its template around the text.
    """
    if len(text.encode(errors="replace")) <= MAX_PROMPT_TOKENS:
        return None
    found = tokenizer(settings.MODEL_FOLDER)
    return None if found is None else len(found.encode(text, add_special_tokens=False).ids)


@cache
def tokenizer(model_folder: str) -> Tokenizer | None:
    """The model's own tokenizer, or None where the model is not on this machine."""
    file = Path(model_folder) / "tokenizer" / "tokenizer.json"
    return Tokenizer.from_file(str(file)) if file.is_file() else None
