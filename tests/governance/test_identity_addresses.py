"""Where an organization's identity provider may live: nowhere inside our own network."""

from typing import Any

import pytest
from django import forms

from governance.portal.licence.identity_forms import require_public


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5",
        "169.254.169.254",
        "2130706433",
        "127.1",
        "0x7f.1",
        "[::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
    ],
)
def test_a_number_of_our_own_network_is_refused_in_any_spelling(host: str, settings: Any) -> None:
    settings.PUBLIC_URL = "https://licet.example"

    with pytest.raises(forms.ValidationError):
        require_public(f"https://{host}/.well-known/openid-configuration")


@pytest.mark.parametrize("host", ["login.example.com", "93.184.216.34"])
def test_a_name_and_a_public_number_are_taken(host: str, settings: Any) -> None:
    settings.PUBLIC_URL = "https://licet.example"

    assert require_public(f"https://{host}/") == f"https://{host}/"
