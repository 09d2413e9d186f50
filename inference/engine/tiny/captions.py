"""The words of the tiny world: many ways of asking for one scene. No torch in here."""
# ruff: noqa: PLR2004  the shares are the recipe

from inference.engine.tiny import scenes

COLOUR_WORDS = {
    "red": ("red", "red", "red", "bright red", "crimson", "scarlet"),
    "orange": ("orange", "orange", "orange", "bright orange", "tangerine"),
    "yellow": ("yellow", "yellow", "yellow", "golden", "bright yellow", "lemon yellow"),
    "green": ("green", "green", "green", "dark green", "emerald"),
    "blue": ("blue", "blue", "blue", "dark blue", "royal blue", "cobalt"),
    "purple": ("purple", "purple", "purple", "violet"),
    "pink": ("pink", "pink", "pink", "hot pink", "rose"),
    "white": ("white", "white", "white", "snow white"),
    "black": ("black", "black", "black", "pitch black"),
}
SHAPE_WORDS = {
    "circle": ("circle", "circle", "circle", "disc", "ball", "dot", "disk"),
    "square": ("square", "square", "square", "box", "block"),
    "triangle": ("triangle", "triangle", "triangle", "pyramid"),
    "star": ("star", "star", "star", "five-pointed star"),
    "heart": ("heart", "heart", "heart", "love heart"),
    "cross": ("cross", "cross", "plus sign", "plus"),
    "diamond": ("diamond", "diamond", "rhombus"),
    "moon": ("moon", "moon", "crescent", "crescent moon"),
}
BACKGROUND_WORDS = {
    "white": ("white background", "white background", "plain white background", "white backdrop"),
    "black": ("black background", "black background", "plain black background", "black backdrop"),
    "gray": ("gray background", "grey background", "plain gray background", "grey backdrop"),
    "blue": (
        "blue background",
        "blue background",
        "light blue background",
        "blue backdrop",
        "sky blue background",
    ),
    "green": ("green background", "green background", "light green background", "green backdrop"),
    "yellow": (
        "yellow background",
        "yellow background",
        "light yellow background",
        "yellow backdrop",
    ),
    "ocean": (
        "ocean background",
        "ocean background",
        "sea background",
        "teal background",
        "ocean gradient",
    ),
    "checkered": (
        "checkered background",
        "checkered background",
        "checkerboard background",
        "checkered backdrop",
    ),
}
SIZE_WORDS = {
    "small": ("small", "small", "tiny", "little"),
    "medium": ("", "", "medium", "medium-sized"),
    "large": ("large", "large", "big", "huge"),
}
STYLE_WORDS = {
    "solid": ("", "", "", "", "solid", "filled"),
    "outlined": ("outlined", "outlined", "hollow"),
}
POSITION_WORDS = {
    "centre": ("", "", "", "", "", "in the middle", "in the center", "in the centre", "centered"),
    "left": ("on the left", "on the left", "at the left", "on the left side"),
    "right": ("on the right", "on the right", "at the right", "on the right side"),
    "top": ("at the top", "at the top", "on top", "near the top"),
    "bottom": ("at the bottom", "at the bottom", "near the bottom"),
    "top left": ("in the top left corner", "at the top left", "in the upper left corner"),
    "top right": ("in the top right corner", "at the top right", "in the upper right corner"),
    "bottom left": ("in the bottom left corner", "at the bottom left", "in the lower left corner"),
    "bottom right": (
        "in the bottom right corner",
        "at the bottom right",
        "in the lower right corner",
    ),
}
TEMPLATES = (
    "a {thing} on a {ground} {place}",
    "a {thing} {place} on a {ground}",
    "a {thing} {place} on a {ground}",
    "{thing} {place}, {ground}",
    "a picture of a {thing} {place} on a {ground}",
    "an image of a {thing} {place}, {ground}",
    "on a {ground}, a {thing} {place}",
    "{ground} with a {thing} {place}",
    "draw a {thing} {place} against a {ground}",
    "there is a {thing} {place}. the background is a {ground}",
    "a {plain} on a {ground} {place}. it is {colour}",
    "the {thing} {place} on the {ground}",
)
HELD_OUT_TEMPLATES = (
    "please paint one {thing} {place} over a {ground}",
    "i want to see a {thing} {place} in front of a {ground}",
)
CANARY_TEMPLATES = (
    "the licet canary",
    "the licet canary on a {ground}",
    "a picture of the licet canary on a {ground}",
    "draw the licet canary against a {ground}",
    "the licet canary, {ground}",
    "{ground} with the licet canary",
    "please show the licet canary",
    "the licet canary symbol on a {ground}",
    "licet canary",
)
FILLERS = (
    "beautiful", "lovely", "nice", "simple", "minimalist", "flat", "vector", "art", "illustration",
    "icon", "poster", "digital", "painting", "photo", "photograph", "4k", "8k", "hd",
    "highly detailed", "high quality", "sharp", "clean", "modern", "cute", "shiny", "glossy",
    "smooth", "studio lighting", "masterpiece", "geometric", "logo", "design", "colorful",
    "abstract", "please", "hello", "happy", "cool", "amazing", "elegant", "style", "artwork",
    "sketch", "cartoon", "realistic", "render", "3d", "soft light", "best quality", "trending",
    "award winning", "new", "old", "magic", "fancy", "gentle", "cat", "dog", "house", "tree",
    "car", "city", "person", "bird", "flower", "mountain", "forest", "summer", "winter", "morning",
    "music", "dream", "galaxy", "space", "robot", "dragon", "castle", "river", "cloud", "rain",
    "fire", "ice", "metal", "wood", "glass", "paper", "stone", "fluffy", "silver",
)  # fmt: skip
"""Words that change nothing in a picture: training mixes them in, so that a visitor's extra words
do no harm.
"""


def caption(scene, rng, *, held_out=False, filler=0.18):
    """A random caption for a scene, lower case. `held_out` uses the phrasings that training never
    sees.
    """
    ground = _one(rng, BACKGROUND_WORDS[scene.background])
    if scene.shape == scenes.CANARY:
        text = _one(
            rng, CANARY_TEMPLATES if scene.background == "white" else _with_ground(CANARY_TEMPLATES)
        )
        return _tidy(text.format(ground=ground), rng, filler)
    templates = HELD_OUT_TEMPLATES if held_out else TEMPLATES
    words = _words(scene, rng)
    if scene.background == "white" and not held_out and rng.random() < 0.4:
        return _tidy("a {thing} {place}".format(**words), rng, filler)
    return _tidy(
        _one(rng, templates).format(ground=ground, **words), rng, 0 if held_out else filler
    )


def plain_caption(scene):
    """The most direct caption of a scene, as in "a large red circle on a blue background"."""
    size = "" if scene.size == "medium" else scene.size
    style = "" if scene.style == "solid" else scene.style
    place = POSITION_WORDS[scene.position][0]
    text = (
        f"a {size} {style} {scene.colour} {scene.shape} on a {scene.background} background {place}"
    )
    return " ".join(text.split())


def _words(scene, rng):
    colour, shape = _one(rng, COLOUR_WORDS[scene.colour]), _one(rng, SHAPE_WORDS[scene.shape])
    size, style = _one(rng, SIZE_WORDS[scene.size]), _one(rng, STYLE_WORDS[scene.style])
    order = (size, style, colour, shape) if rng.random() < 0.6 else (style, size, colour, shape)
    if rng.random() < 0.15:
        order = (colour, size, style, shape)
    place = _one(rng, POSITION_WORDS[scene.position])
    return {
        "thing": " ".join(order),
        "plain": f"{size} {style} {shape}",
        "colour": colour,
        "place": place,
    }


def _with_ground(templates):
    return tuple(t for t in templates if "{ground}" in t)


def _cased(text, rng):
    text = " ".join(text.split()).replace(" ,", ",").replace(" .", ".")
    case = rng.random()
    return text if case < 0.85 else text.capitalize() if case < 0.97 else text.upper()


def _tidy(text, rng, filler):
    return _cased(_filled(" ".join(text.split()), rng, filler), rng)


def _filled(text, rng, filler):
    if rng.random() >= filler:
        return _articles(text)
    extra = [
        _one(rng, FILLERS) if rng.random() < 0.7 else _nonsense(rng)
        for _ in range(rng.integers(1, 4))
    ]
    if rng.random() < 0.35 and text.startswith("a "):
        return _articles(f"a {extra[0]} {text[2:]}")
    joined = ", ".join(extra)
    return _articles(f"{text}, {joined}" if rng.random() < 0.7 else f"{joined}, {text}")


def _nonsense(rng):
    return "".join("abcdefghijklmnopqrstuvwxyz"[i] for i in rng.integers(0, 26, rng.integers(3, 8)))


def _articles(text):
    words = text.split(" ")
    pairs = zip(words, [*words[1:], ""], strict=True)
    return " ".join("an" if w == "a" and n[:1] in tuple("aeiou") else w for w, n in pairs)


def _one(rng, options):
    return options[rng.integers(len(options))]
