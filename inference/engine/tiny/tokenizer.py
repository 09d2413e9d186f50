"""The tiny byte-level BPE: the Qwen2 split pattern and specials, every word of the world one
token.
"""

import numpy as np
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import Qwen2Tokenizer

from inference.engine.tiny import captions, scenes

PREFIX = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, "
    "text, spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n"
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n"
"""The template that Krea2Pipeline puts round a prompt; it counts on 34 tokens before and 5
after."""

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
VOCABULARY = 1024
MODEL_MAX_LENGTH = 4096


def corpus(count=6000, seed=0):
    """The text the merges are learned from: the template, captions in lower and capitalised
    form."""
    rng = np.random.default_rng(seed)
    lines = [PREFIX.replace("<|im_start|>", "").replace("<|im_end|>", "") + "assistant\n"] * 400
    for i in range(count):
        scene = scenes.sample_scene(rng, canary=0.05)
        lines.append(captions.caption(scene, rng, held_out=i % 12 == 0, filler=0.5))
    lines += [w for w in captions.FILLERS for _ in range(20)]
    return lines + [line.capitalize() for line in lines[400:1200]]


def build():
    """A Qwen2Tokenizer trained on the world's words, ready for `save_pretrained`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        min_frequency=3,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIALS]
    )
    return Qwen2Tokenizer(
        tokenizer_object=tokenizer,
        unk_token="<|endoftext|>",  # noqa: S106
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
        model_max_length=MODEL_MAX_LENGTH,
    )
