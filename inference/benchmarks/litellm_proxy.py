"""The LiteLLM proxy in an environment of its own, with a local upstream that answers at once."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from inference.benchmarks.home import Home, free_port, wait_for

# 1.82.7 and 1.82.8 were releases of an attacker.
REQUIREMENT = "litellm[proxy]!=1.82.7,!=1.82.8"
BAD = frozenset({"1.82.7", "1.82.8"})
MASTER_KEY = "sk-bench"
MODEL = "krea"
# A PNG of one pixel: the smallest honest image reply.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def install(folder: Path) -> tuple[Path, str]:
    """LiteLLM in ``folder``, current; its program and its version. Raises SystemExit."""
    uv = [sys.executable, "-m", "uv"]
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([*uv, "venv", "--quiet", str(folder)], check=True)  # noqa: S603
        command = [*uv, "pip", "install", "--quiet", "--python", str(python), REQUIREMENT]
        subprocess.run(command, check=True)  # noqa: S603
    asked = "import importlib.metadata as m; print(m.version('litellm'))"
    found = subprocess.run(  # noqa: S603
        [str(python), "-c", asked], check=True, capture_output=True, text=True
    )
    version = found.stdout.strip()
    if version in BAD:
        raise SystemExit(f"litellm {version} must not be run; delete {folder}")
    return folder / "bin" / "litellm", version


def start(home: Home, program: Path, *, workers: int) -> tuple[int, int]:
    """Start upstream and proxy; the proxy's port and process id."""
    upstream = free_port()
    home.start(
        [sys.executable, "-m", "inference.benchmarks.litellm_proxy", str(upstream)],
        dict(os.environ),
        "upstream",
    )
    wait_for(upstream)
    config = home.folder / "litellm.json"
    config.write_text(json.dumps(configuration(upstream)))
    port = free_port()
    command = [
        str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port),
        "--num_workers", str(workers),
    ]  # fmt: skip
    process = home.start(command, environment(), "litellm")
    wait_for(port)
    return port, process


def configuration(upstream: int) -> dict[str, object]:
    """One image model, no retries, a key, no database. (JSON is YAML.)"""
    return {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": f"http://127.0.0.1:{upstream}/v1",
                    "api_key": "none",
                },
                "model_info": {"mode": "image_generation"},
            }
        ],
        "litellm_settings": {"num_retries": 0, "telemetry": False, "set_verbose": False},
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": MASTER_KEY},
    }


def environment() -> dict[str, str]:
    """Without this house's own variables, and without asking the network for prices."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    return {
        **kept,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
    }


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The upstream: every request gets the same image."""
    body = json.dumps({"created": 1, "data": [{"b64_json": PIXEL}]}).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            for line in head.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
            writer.write(reply)
            await writer.drain()
    except (EOFError, OSError):
        writer.close()


async def serve_upstream(port: int) -> None:
    """Serve until terminated."""
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve_upstream(int(sys.argv[1])))
