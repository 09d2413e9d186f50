"""JSON bodies with limits: bytes, and how deep they nest."""

import io
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import JSONParser

from governance.kernel.errors import DomainError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
OPENING, CLOSING, QUOTE, ESCAPE = b"[{", b"]}", ord('"'), ord("\\")


class BodyTooLarge(DomainError):
    """The body has more bytes than any request needs."""

    code = "request_too_large"
    title = "The body is too large"
    status = 413


class BodyTooDeep(DomainError):
    """The body nests deeper than any request needs."""

    code = "request_too_deep"
    title = "The request body nests too deeply"
    status = 400


class BoundedJSONParser(JSONParser):
    """DRF's parser, for bodies of at most ``max_bytes`` and MAX_DEPTH."""

    max_bytes = MAX_BYTES

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON value. Raises BodyTooLarge, BodyTooDeep and DRF's ParseError."""
        body = stream.read(self.max_bytes + 1)
        if len(body) > self.max_bytes:
            raise BodyTooLarge(
                f"The body may have {self.max_bytes} bytes.", limit_bytes=self.max_bytes
            )
        if depth_of(body) > MAX_DEPTH:
            raise BodyTooDeep(f"The body may nest {MAX_DEPTH} levels deep.", limit=MAX_DEPTH)
        return super().parse(io.BytesIO(body), media_type, parser_context)


def depth_of(body: bytes) -> int:
    """How deep brackets nest outside of strings; 0 where there are too few to matter."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    in_string = escaped = False
    for byte in body:
        if in_string:
            in_string = escaped or byte != QUOTE
            escaped = byte == ESCAPE and not escaped
        elif byte == QUOTE:
            in_string = True
        elif byte in OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif byte in CLOSING:
            depth -= 1
    return deepest
