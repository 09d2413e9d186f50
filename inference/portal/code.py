"""The request behind a picture as code."""

from governance.portal.code import curl_of, python_of
from inference.queries.generations import GenerationDetail


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
