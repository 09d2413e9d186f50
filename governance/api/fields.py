"""Fields that take exactly what the API's description says of them."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError


class Text(serializers.CharField):
    """A string. A number is refused, where DRF's own field would quietly make a string of it."""

    def to_internal_value(self, data: Any) -> str:
        """The string. Raises ValidationError for everything else."""
        if not isinstance(data, str):
            self.fail("invalid")
        text: str = super().to_internal_value(data)
        return text


def flag(name: str, text: str | None) -> bool:
    """The query parameter ``name``: true or false, false where it is not there. Raises ValidationError."""
    if text not in {None, "true", "false"}:
        raise ValidationError({name: ["Must be true or false."]})
    return text == "true"
