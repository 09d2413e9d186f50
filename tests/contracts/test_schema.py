"""schemathesis over the whole description: what the API says of itself is true, whatever is sent."""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from governance.kernel.actors import SYSTEM
from governance.models import Organization, User
from governance.openapi import description
from governance.operations.api_keys import create_api_key
from governance.wsgi import application
from tests.factories import NOON
from tests.inference.conftest import funded, release  # noqa: F401 (fixtures)
from tests.portal.test_browser import prices  # noqa: F401 (fixture)

EXAMPLES = int(os.environ.get("LICET_SCHEMA_EXAMPLES", "10"))
pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(1800)]
# Well-formed requests that the state of the world refuses: no money, no such object, moderation.
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", 400, 401, 402, 403, 404, 409, 413, 422, 429, 503]
            },
        }
    }
)
schema = schemathesis.openapi.from_dict(description(), config=CONFIG)
schema.app = application


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_its_word(
    case: Any,
    organization: Organization,
    owner: User,
    funded: Any,  # noqa: F811
) -> None:
    key = create_api_key(
        project=organization.projects.get(), name="Test", actor=SYSTEM, at=NOON, mode="test"
    )
    case.call_and_validate(headers={"Authorization": f"Bearer {key.secret}"})
