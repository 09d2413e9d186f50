"""The API answers JSON, whatever a client's Accept header says: some ask for image/png and read errors."""

from collections.abc import Iterable

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches


class AlwaysTheFirst(BaseContentNegotiation):
    """The view's first renderer; the parser of the body's type."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """The parser of the request's media type, or None: DRF answers 415."""
        media_type = request.content_type.partition(";")[0].strip().lower()
        for parser in parsers:
            if media_type_matches(parser.media_type, media_type) or (
                parser.media_type == "application/json" and media_type.endswith("+json")
            ):
                return parser
        return None

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 (DRF's signature)
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 (DRF's signature)
    ) -> tuple[BaseRenderer, str]:
        """The first one."""
        first = next(iter(renderers))
        return first, first.media_type or ""
