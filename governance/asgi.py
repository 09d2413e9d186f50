"""The ASGI application for uvicorn."""

import os

from django.core.asgi import get_asgi_application

from governance.body_limit import BodyLimit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

application = BodyLimit(get_asgi_application())
