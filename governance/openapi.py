"""The API's description as kept in the repository: made from the views, read by the pages of the docs."""

import json
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from governance.env import BASE_DIR

FILE = BASE_DIR / "docs" / "openapi.json"


def generated() -> str:
    """The description as the code has it now: OpenAPI 3.1, checked, keys in a stable order."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    validate_schema(schema)  # type: ignore[no-untyped-call]
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@cache
def description() -> dict[str, Any]:
    """The description in the repository."""
    read: dict[str, Any] = json.loads(FILE.read_text())
    return read
