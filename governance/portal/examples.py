"""Requests as code that works when pasted, from the description of the API; YOUR_KEY stands for the key."""

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from governance.portal.code import FIRST_PROMPT, base_url, curl_of, python_of

METHODS = ("get", "post", "put", "patch", "delete")
# Values that stand in examples where a schema does not name one.
STAND_INS = {"prompt": FIRST_PROMPT, "url": "https://example.com/hooks", "email": "ann@example.com"}
AN_ID = "0199f0c2-7c1e-7000-8000-000000000000"


def quick_starts(model: str) -> list[dict[str, str]]:
    """Code or settings for each tool: the base URL and the key, nothing else."""
    javascript = (
        'import OpenAI from "openai";\nimport { writeFileSync } from "node:fs";\n\n'
        f'const client = new OpenAI({{ baseURL: "{base_url()}", apiKey: "YOUR_KEY" }});\n'
        f'const image = await client.images.generate({{ model: "{model}", prompt: "{FIRST_PROMPT}" }});\n'
        'writeFileSync("licet.png", Buffer.from(image.data[0].b64_json, "base64"));'
    )
    web_ui = (
        "Admin Panel > Settings > Images\n"
        "  Image Generation Engine   Open AI\n"
        f"  API Base URL              {base_url()}\n"
        "  API Key                   YOUR_KEY\n"
        f"  Model                     {model}"
    )
    lang_chain = (
        "from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper\n\n"
        f'draw = DallEAPIWrapper(base_url="{base_url()}", api_key="YOUR_KEY", model="{model}", size="auto")\n'
        f'print(draw.run("{FIRST_PROMPT}"))'
    )
    n8n = (
        "Credentials > New > OpenAI\n"
        "  API Key    YOUR_KEY\n"
        f"  Base URL   {base_url()}\n"
        "Then: OpenAI node > Resource Image > Operation Generate an Image"
    )
    python = python_of(model, FIRST_PROMPT)
    return [
        {"id": "python", "name": "Python", "what": "pip install openai", "code": python},
        {
            "id": "javascript",
            "name": "JavaScript",
            "what": "npm install openai",
            "code": javascript,
        },
        {"id": "curl", "name": "curl", "what": "", "code": curl_of({"prompt": FIRST_PROMPT})},
        {"id": "open-webui", "name": "Open WebUI", "what": "", "code": web_ui},
        {
            "id": "langchain",
            "name": "LangChain",
            "what": "pip install langchain-community openai",
            "code": lang_chain,
        },
        {"id": "n8n", "name": "n8n", "what": "", "code": n8n},
    ]


def operations_of(description: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation by the first word of its address, ready for the page."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in sorted(description["paths"].items()):
        words = path.strip("/").split("/")
        name = words[1] if words[0] == "v1" and len(words) > 1 else words[0]
        for method in METHODS:
            if method in methods:
                groups.setdefault(name, []).append(operation(description, path, method))
    return [
        {"id": name, "name": name.replace("_", " ").replace("-", " "), "operations": found}
        for name, found in groups.items()
    ]


def operation(description: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    """One operation: words, parameters, fields of the body, replies, and a request."""
    spec = description["paths"][path][method]
    body = body_schema(description, spec)
    return {
        "id": spec["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": spec.get("summary", spec["operationId"]),
        "about": spec.get("description", ""),
        "parameters": [
            {**each, "type": type_of(each.get("schema", {}))} for each in spec.get("parameters", [])
        ],
        "fields": list(fields_of(body)) if body else [],
        "replies": [
            {"status": status, "about": reply.get("description", "")}
            for status, reply in spec["responses"].items()
        ],
        "curl": request_line(path, method, example_of(body) if body else None),
    }


def body_schema(description: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON body's schema with references resolved, None where there is no body."""
    content = spec.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return resolved(description, schema) if schema else None


def resolved(description: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """``schema`` with its references followed, a few levels deep."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = description["components"]["schemas"][name]
    if "allOf" in schema and len(schema["allOf"]) == 1:
        schema = {**resolved(description, schema["allOf"][0], depth), **schema}
    if depth > 3 or "properties" not in schema:  # noqa: PLR2004 (deep enough for every body we have)
        return schema
    properties = {
        name: resolved(description, each, depth + 1) for name, each in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def fields_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Name, type, meaning of each field."""
    needed = schema.get("required", [])
    for name, each in schema.get("properties", {}).items():
        yield {
            "name": name,
            "type": type_of(each),
            "required": name in needed,
            "about": each.get("description", ""),
        }


def type_of(schema: dict[str, Any]) -> str:
    """A schema's type in a word or two."""
    options = schema.get("oneOf") or schema.get("anyOf")
    if options:
        return " or ".join(dict.fromkeys(type_of(option) for option in options))
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"] if value is not None)
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = " or ".join(word for word in kind if word != "null")
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def example_of(schema: dict[str, Any]) -> Any:
    """A small body: what is required, and what makes it plain."""
    if "properties" not in schema:
        return {}
    needed = schema.get("required", [])
    return {
        name: example_value(name, each)
        for name, each in schema["properties"].items()
        if name in needed
    }


PLAIN = {"integer": 1, "number": 1, "boolean": True}


def example_value(name: str, schema: dict[str, Any]) -> Any:
    """A value that stands for a field."""
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "array":
        return [example_value(name, schema.get("items", {}))]
    if kind == "object" or "properties" in schema:
        return example_of(schema)
    plain = "ann@example.com" if schema.get("format") == "email" else PLAIN.get(str(kind), "text")
    return STAND_INS.get(name, plain)


def request_line(path: str, method: str, body: Any) -> str:
    """One request for a terminal."""
    parts = [part if not part.startswith("{") else AN_ID for part in path.split("/")]
    address = settings.PUBLIC_URL + "/".join(parts)
    lines = [f"curl -sS -X {method.upper()} {address}", "  -H 'Authorization: Bearer YOUR_KEY'"]
    if body is not None:
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        lines += ["  -H 'Content-Type: application/json'", f"  -d '{text}'"]
    return " \\\n".join(lines)
