"""``make bench-provenance``: the marks of released pictures against what people do to pictures.

Marks scenes of the tiny world and photographs (scikit-learn's two), changes them, and reads the marks
back; then looks for marks in foreign pictures and noise. Prints a table, then one line of JSON.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.datasets import load_sample_images

from inference.engine.encode import encoder
from inference.engine.tiny import scenes
from moderation.operations.marking import Claim, with_provenance
from moderation.provenance import watermark

SCENE_SIDES, PHOTO_SIDES = (64, 128, 256, 512, 1024), (256, 512, 1024)
FOREIGN_SIDES = (64, 96, 128, 160)
NOBODY = UUID(int=0)
Change = Callable[[Image.Image], Image.Image]


def encoded(quality: int) -> Change:
    """Saved again as JPEG."""

    def change(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")

    return change


def resized(scale: float) -> Change:
    """Made smaller or larger."""

    def change(image: Image.Image) -> Image.Image:
        size = round(image.width * scale), round(image.height * scale)
        return image.resize(size, Image.Resampling.LANCZOS)

    return change


def cropped(share: float) -> Change:
    """A part of the area, off the middle."""

    def change(image: Image.Image) -> Image.Image:
        width, height = round(image.width * share**0.5), round(image.height * share**0.5)
        left, top = (image.width - width) * 2 // 3, (image.height - height) // 3
        return image.crop((left, top, left + width, top + height))

    return change


def screenshot(scale: float) -> Change:
    """Shown at another size on a page with a margin, and saved as JPEG at 80."""

    def change(image: Image.Image) -> Image.Image:
        shown = image.resize(
            (round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR
        )
        page = Image.new(
            "RGB", (shown.width * 5 // 4 + 37, shown.height * 13 // 10 + 61), "#f5f5f7"
        )
        page.paste(shown, (29, 47))
        return encoded(80)(page)

    return change


CHANGES: dict[str, Change] = {
    "none": lambda image: image,
    "JPEG 95": encoded(95),
    "JPEG 75": encoded(75),
    "JPEG 50": encoded(50),
    "half size": resized(0.5),
    "half, JPEG 75": lambda image: encoded(75)(resized(0.5)(image)),
    "crop 90 %": cropped(0.9),
    "crop 90 %, JPEG 75": lambda image: encoded(75)(cropped(0.9)(image)),
    "crop 75 %": cropped(0.75),
    "screenshot 0.75": screenshot(0.75),
    "screenshot 1.25": screenshot(1.25),
    "blur 1.5 px": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "brightness 1.1": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "brightness 0.8": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
}


def photograph(rng: np.random.Generator, side: int) -> Image.Image:
    """A square part of one of the two photographs."""
    whole = Image.fromarray(PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))])
    part = int(min(whole.size) * rng.uniform(0.6, 1))
    left, top = (int(rng.integers(length - part + 1)) for length in whole.size)
    return whole.crop((left, top, left + part, top + part)).resize(
        (side, side), Image.Resampling.LANCZOS
    )


def scene(rng: np.random.Generator, side: int) -> Image.Image:
    """A picture of the tiny world."""
    return Image.fromarray(scenes.render(scenes.sample_scene(rng), side, side))


def noise(rng: np.random.Generator, side: int) -> Image.Image:
    """Noise of some coarseness."""
    grain = int(rng.integers(1, 9))
    small = rng.integers(0, 256, (side // grain, side // grain, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def measured(make: Callable[..., Image.Image], side: int, count: int) -> dict[str, Any]:
    """PSNR in dB, ms of CPU for a picture, and the share of marks read after each change."""
    rng = np.random.default_rng(side)
    read = dict.fromkeys(CHANGES, 0)
    psnr, spent = [], []
    for number in range(count):
        say(f"{make.__name__} {side} px: {number + 1} of {count}")
        pixels = np.asarray(make(rng, side))
        began = time.process_time()
        made = with_provenance(
            picture=pixels,
            encode=encoder("png"),
            claim=lambda mark: Claim("bench", (), NOBODY, "0" * 64, mark),
        )
        spent.append(time.process_time() - began)
        psnr.append(made.facts["psnr_millidb"] / 1000)
        image = Image.open(io.BytesIO(made.data)).convert("RGB")
        for name, change in CHANGES.items():
            found = watermark.read(np.asarray(change(image)), search=True)
            read[name] += found is not None and f"{found.mark:012x}" == made.facts["watermark"]
    return {
        "psnr_db": round(float(np.mean(psnr)), 1),
        "least_psnr_db": round(float(np.min(psnr)), 1),
        "cpu_ms": round(1000 * float(np.median(spent))),
        "read": {name: round(hits / count, 3) for name, hits in read.items()},
    }


def strangers(count: int, seed: int = 7) -> Iterator[Image.Image]:
    """Foreign pictures, unmarked scenes and noise by turns, some of them turned or mirrored."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        make = (photograph, scene, noise)[number % 3]
        image = make(rng, int(rng.choice(FOREIGN_SIDES)))
        yield image.transpose(Image.Transpose(int(rng.integers(7))))


def false_marks(count: int, seed: int) -> dict[str, Any]:
    """How many marks are found where none is."""
    began, found = time.monotonic(), 0
    for number, image in enumerate(strangers(count, seed)):
        found += watermark.read(np.asarray(image), search=True) is not None
        if number % 50 == 0:
            say(f"foreign pictures: {number} of {count}, {found} false marks")
    return {"pictures": count, "false_marks": found, "s": round(time.monotonic() - began)}


def say(words: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"\r{words:<64}")
    sys.stderr.flush()


def table(sets: dict[str, dict[str, Any]]) -> str:
    """The figures side by side."""
    lines = ["".join([f"{'':<20}", *(f"{name:>12}" for name in sets)])]
    for label, key in (
        ("PSNR, dB", "psnr_db"),
        ("least PSNR, dB", "least_psnr_db"),
        ("CPU, ms", "cpu_ms"),
    ):
        lines.append("".join([f"{label:<20}", *(f"{found[key]:>12}" for found in sets.values())]))
    for change in CHANGES:
        shares = (f"{found['read'][change]:>12.0%}" for found in sets.values())
        lines.append("".join([f"{change:<20}", *shares]))
    return "\n".join(lines)


def main() -> None:
    """Everything, or one part of it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12, help="pictures of each kind and size")
    parser.add_argument("--foreign", type=int, default=10_000, help="pictures without a mark")
    parser.add_argument("--seed", type=int, default=7, help="of the pictures without a mark")
    asked = parser.parse_args()
    sets = {}
    if asked.images:
        sets = {f"scene {side}": measured(scene, side, asked.images) for side in SCENE_SIDES}
        sets |= {f"photo {side}": measured(photograph, side, asked.images) for side in PHOTO_SIDES}
        say("")
        print("\n" + table(sets))  # noqa: T201
    foreign = false_marks(asked.foreign, asked.seed) if asked.foreign else None
    say("")
    if foreign:
        print(f"\n{foreign['false_marks']} marks read in {foreign['pictures']} foreign pictures")  # noqa: T201
    print(json.dumps({"sets": sets, "foreign": foreign}))  # noqa: T201


PHOTOGRAPHS = load_sample_images().images

if __name__ == "__main__":
    main()
