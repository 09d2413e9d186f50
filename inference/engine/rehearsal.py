"""A test key's job in the engine: the labelled renderer and the gate, beside the device's work."""

from governance.kernel import tracing
from inference.engine.gate import broken, pass_gate
from inference.engine.jobs import Job, work_on
from inference.engine.labelled import forced_refusal, labelled
from inference.engine.previews import Previews
from inference.engine.protocol import Cancelled
from moderation.operations.screening import ScreenedPrompt


def rehearse(job: Job, prompt: ScreenedPrompt, release_slug: str) -> None:
    """Draw, judge and deliver the labelled pictures. Never raises."""
    command = job.command
    work_on([job])
    job.begin()
    try:
        with tracing.span("engine.draw", parent=command.traceparent, images=command.images):
            pictures = labelled(
                command,
                previews=Previews(
                    command=command, prompt=prompt, release_slug=release_slug, emit=job.preview
                ),
                on_step=lambda step, steps: job.step(step / steps),
                should_stop=job.cancel_requested.is_set,
            )
    except Cancelled:
        job.close(cancelled=True)
        return
    except Exception as error:  # noqa: BLE001 (one broken job must not end the engine)
        job.fail(broken(None, error))
        return
    forced = forced_refusal(command)
    if forced is not None:
        job.fail(forced)
        return
    for index, picture in enumerate(pictures):
        job.deliver(pass_gate(picture, prompt, command, index, release_slug))
