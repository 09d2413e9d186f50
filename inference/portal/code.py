"""The request behind a picture as code that works once the reader's key is put in."""

import json

from django.conf import settings

from inference.queries.generations import GenerationDetail

FETCH = (
    "  | python3 -c 'import sys,json,base64;"
    'open("licet.png","wb").write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))\''
)
FIRST_PROMPT = "a large red circle on a blue background"


def curl_of(body: dict[str, object], *, key: str = "YOUR_KEY") -> str:
    """One line for a terminal: posts ``body`` and writes the picture to licet.png."""
    text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    return (
        f"curl -sS {settings.PUBLIC_URL}/v1/images/generations \\\n"
        f"  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{text}' \\\n{FETCH}"
    )


def python_of(model: str, prompt: str, *, more: str = "", key: str = "YOUR_KEY") -> str:
    """The same with the unmodified openai package."""
    asked = f"model={quoted(model)}, prompt={quoted(prompt)}{more}"
    return (
        "import base64\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{settings.PUBLIC_URL}/v1", api_key="{key}")\n'
        f"image = client.images.generate({asked})\n"
        'open("licet.png", "wb").write(base64.b64decode(image.data[0].b64_json))'
    )


def quoted(text: str) -> str:
    """A Python string literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def as_curl(detail: GenerationDetail) -> str:
    """The request that makes the same picture again."""
    job = detail.summary
    return curl_of(
        {
            "model": job.model,
            "prompt": job.prompt,
            "size": f"{job.width}x{job.height}",
            "steps": job.steps,
            "seed": job.seed,
            "n": job.images,
        }
    )


def as_python(detail: GenerationDetail) -> str:
    """The same picture with the openai package."""
    job = detail.summary
    more = (
        f',\n    size="{job.width}x{job.height}", n={job.images}, '
        f'extra_body={{"seed": {job.seed}, "steps": {job.steps}}}'
    )
    return python_of(job.model, job.prompt, more=more)
