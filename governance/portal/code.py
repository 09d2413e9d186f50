"""Requests as code that works when pasted; the reader's key stands in it or is put in."""

import json

from django.conf import settings

FETCH = (
    "  | python3 -c 'import sys,json,base64;"
    'open("licet.png","wb").write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))\''
)
FIRST_PROMPT = "a large red circle on a blue background"


def base_url() -> str:
    """What an OpenAI client takes as its base URL."""
    return f"{settings.PUBLIC_URL}/v1"


def curl_of(body: dict[str, object], *, key: str = "YOUR_KEY") -> str:
    """One line for a terminal: posts ``body`` and writes the picture to licet.png."""
    text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    return (
        f"curl -sS {base_url()}/images/generations \\\n"
        f"  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{text}' \\\n{FETCH}"
    )


def python_of(model: str, prompt: str, *, more: str = "", key: str = "YOUR_KEY") -> str:
    """The same with the unmodified openai package."""
    asked = f"model={quoted(model)}, prompt={quoted(prompt)}{more}"
    return (
        "import base64\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{base_url()}", api_key="{key}")\n'
        f"image = client.images.generate({asked})\n"
        'open("licet.png", "wb").write(base64.b64decode(image.data[0].b64_json))'
    )


def quoted(text: str) -> str:
    """A Python string literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)
