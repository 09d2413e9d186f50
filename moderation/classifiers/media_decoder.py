"""The inside of the sandbox: decodes one picture from standard input, in a process of its own.

Run as ``python -I`` by ``moderation.operations.intake``; has no Django and no network use, and a
memory, time and file limit that the kernel keeps. Writes ``width height`` as two 32-bit numbers, then
RGB bytes; or exits with a code.
"""

import io
import resource
import struct
import sys

MEMORY_LIMIT = 1 << 30
SECONDS_LIMIT = 10
MOST_PIXELS = 40_000_000
UNREADABLE, TOO_MUCH = 3, 4


def limit_resources() -> None:
    """From here on the kernel stops what takes too much memory or time, or writes a file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def decode(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes, upright, on white where it was transparent."""
    from PIL import Image, ImageOps  # noqa: PLC0415 (after the limits are set)

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
        if getattr(image, "n_frames", 1) != 1 or image.width * image.height > MOST_PIXELS:
            raise MemoryError
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
            upright = Image.alpha_composite(ground, layer)
        plain = upright.convert("RGB")
    return plain.width, plain.height, plain.tobytes()


def main() -> int:
    """The exit code: 0, or why there is no picture."""
    import warnings  # noqa: PLC0415 (this file is its own program)

    warnings.simplefilter("error")
    limit_resources()
    try:
        width, height, pixels = decode(sys.stdin.buffer.read())
    except MemoryError:
        return TOO_MUCH
    except Exception:  # noqa: BLE001 (whatever a decoder raises: not a picture that can be read)
        return UNREADABLE
    sys.stdout.buffer.write(struct.pack(">II", width, height) + pixels)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
