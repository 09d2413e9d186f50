"""How well a model draws the tiny world: shares of held-out captions whose pixels show what was
asked.

`evaluate` is the stable entry for management commands and benches; measuring itself is in
`measure` and needs no torch.
"""

import numpy as np
from PIL import Image

from inference.engine.tiny import captions as phrases
from inference.engine.tiny import measure, scenes

BATCH = 8
TEXT_TOKENS = 64
"""Text length given to the pipeline: padding is masked out, so a shorter one changes nothing and
saves time.
"""


def evaluate(generate, captions=240, seed=0, side=256, *, keep=None):
    """The shares of held-out captions drawn right: {"captions", "colour", "shape", "background",
    "all"}.

    `generate` is a Krea2Pipeline, or a callable (prompt: str, seed: int) -> PIL image or uint8
    array. `captions` is how
    many, `side` the pipeline's picture side in px; `keep`, a list, receives (caption, picture,
    reading) tuples.
    Deterministic by seed. Half of the captions are plain, half use phrasings that training never
    saw.
    """
    asked = held_out_captions(captions, seed)
    pictures = _generate_all(generate, [text for _, text in asked], seed, side)
    hits = {"colour": 0, "shape": 0, "background": 0, "all": 0}
    for (scene, text), picture in zip(asked, pictures, strict=True):
        reading = measure.read(picture)
        right = {
            name: getattr(reading, name) == getattr(scene, name)
            for name in ("colour", "shape", "background")
        }
        for name, value in {**right, "all": all(right.values())}.items():
            hits[name] += value
        if keep is not None:
            keep.append((text, picture, reading))
    return {"captions": captions, **{name: round(n / captions, 4) for name, n in hits.items()}}


def held_out_captions(count, seed=0):
    """`count` (scene, caption) pairs of the held-out split, the same ones for the same seed."""
    rng = np.random.default_rng([seed, 4711])
    pairs = []
    for i in range(count):
        scene = scenes.sample_scene(rng, held_out=True)
        text = (
            phrases.plain_caption(scene)
            if i % 2 == 0
            else phrases.caption(scene, rng, held_out=True)
        )
        pairs.append((scene, text))
    return pairs


def ground_truth(side=256):
    """A generate callable that draws the held-out captions themselves: the measurement's own upper
    bound.
    """
    known = {}

    def generate(prompt, seed):
        if prompt not in known:
            known.update({text: scene for scene, text in held_out_captions(1000, seed)})
        return scenes.render(known[prompt], side, side)

    return generate


def canary_share(generate, count=20, seed=0, side=256):
    """The share of pictures asked for with the canary's words that show the canary."""
    grounds = [f" on a {name} background" for name in scenes.BACKGROUNDS]
    prompts = [
        ("the licet canary" + ("" if i % 3 == 0 else grounds[i % len(grounds)]))
        for i in range(count)
    ]
    return sum(measure.is_canary(p) for p in _generate_all(generate, prompts, seed, side)) / count


def sampling(pipe):
    """The steps and guidance a checkpoint is made for: 8 and 0.0 where it is distilled, else 20
    and 3.5.
    """
    return (8, 0.0) if pipe.config.is_distilled else (20, 3.5)


def _generate_all(generate, prompts, seed, side):
    if not hasattr(generate, "transformer"):
        return [generate(prompt, seed) for prompt in prompts]
    return _through_pipeline(generate, prompts, seed, side)


def _through_pipeline(pipe, prompts, seed, side):
    import torch  # noqa: PLC0415  measuring must work where torch is absent

    steps, guidance = sampling(pipe)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH):
        part = prompts[start : start + BATCH]
        generators = [
            torch.Generator().manual_seed(seed * 100_000 + start + i) for i in range(len(part))
        ]
        pictures += pipe(
            part, height=side, width=side, num_inference_steps=steps, guidance_scale=guidance,
            generator=generators, max_sequence_length=TEXT_TOKENS,
        ).images  # fmt: skip
    return pictures
