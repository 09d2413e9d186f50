"""The engine's three stages on threads of their own: prepare, draw, judge.

While the device draws one batch, the next job's prompt is verified and encoded and the last batch's
pictures are judged, encoded and signed. The thread that calls ``run`` draws; nothing else feeds the
device's main stream.
"""

import gc
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from django.conf import settings

from governance.kernel import tracing
from governance.kernel.errors import DomainError
from inference.engine.adapters import AdapterFiles, AdapterUnavailable
from inference.engine.batching import Part, Shelf
from inference.engine.drawing import Pixels, draw
from inference.engine.expander import Expander, answer_expanded
from inference.engine.gate import broken, pass_gate, refusal
from inference.engine.jobs import Job, Outbox, work_on
from inference.engine.model import LoadedModel, inference_mode
from inference.engine.protocol import Cancelled, GenerateCommand, Refused
from inference.engine.references import style_of
from inference.engine.rehearsal import rehearse
from inference.engine.slots import AdapterMismatch, AdaptersTooLarge
from inference.engine.style import StyleCache
from inference.engine.text import PromptTooLong, Text, TextCache
from moderation.operations.screening import restore_screened_prompt

logger = logging.getLogger(__name__)
JUDGES = 2
# Labelled pictures of test keys; they may be told to take a minute, and keep nobody else waiting.
REHEARSALS = 4
STYLE_BYTES = 1 << 30


class OutOfMemory(Exception):
    """The device has no memory for a single picture, twice: only a new process can help."""


class Studio:
    """One loaded model at work. ``accept`` and ``cancel`` may be called from any thread."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        release_slug: str,
        send: Outbox,
        batch_tokens: int,
        style_bytes: int = STYLE_BYTES,
    ) -> None:
        self.model = model
        self.release_slug = release_slug
        self.shelf = Shelf(tokens=batch_tokens, image_tokens=model.image_tokens)
        self._send = send
        self._texts = TextCache(model)
        self._adapters = AdapterFiles()
        self._styles = StyleCache(style_bytes)
        self._commands: queue.Queue[Job | None] = queue.Queue()
        self._judges = ThreadPoolExecutor(JUDGES, thread_name_prefix="judge")
        self._rehearsals = ThreadPoolExecutor(REHEARSALS, thread_name_prefix="rehearse")
        self._expander = Expander(settings.PROMPT_EXPANDER)
        self._expansions = ThreadPoolExecutor(1, thread_name_prefix="expand")
        self._jobs: dict[str, Job] = {}
        self._preparer = threading.Thread(target=self._prepare_all, daemon=True, name="prepare")
        self._preparer.start()

    def accept(self, command: GenerateCommand) -> None:
        """Take an order; its frames follow."""
        job = self._jobs[command.ticket] = Job(command, self._send)
        self._forget_closed()
        self._commands.put(job)

    def expand(self, ticket: str, prompt: str) -> None:
        """Answer with the expanded prompt; with the prompt itself where the expander fails."""
        self._expansions.submit(answer_expanded, self._expander, self._send, ticket, prompt)

    def cancel(self, ticket: str) -> None:
        """Nobody waits for this attempt any more; takes effect within one step."""
        job = self._jobs.get(ticket)
        if job is not None:
            job.cancel_requested.set()

    def close(self) -> None:
        """Finish what was accepted, then let ``run`` return."""
        self._commands.put(None)

    def run(self) -> None:
        """Draw batch after batch until closed. Raises OutOfMemory."""
        while (parts := self.shelf.take()) is not None:
            self.draw(parts)
        self._judges.shutdown(wait=True)
        self._rehearsals.shutdown(wait=True)
        self._expansions.shutdown(wait=True)

    def draw(self, parts: Sequence[Part]) -> None:
        """Draw one batch and hand it to the judges. A batch too large is drawn image by image.

        Raises OutOfMemory when not even one picture can be drawn after memory was freed.
        """
        work_on([part.job for part in parts])
        for part in parts:
            part.job.begin()
        try:
            self._draw(parts)
        except torch.OutOfMemoryError as error:
            logger.warning("out of device memory, drawing one by one: %s", error)
            self._draw_one_by_one(parts)

    def _draw(self, parts: Sequence[Part]) -> None:
        try:
            pixels = draw(
                self.model,
                parts,
                show=lambda step, shown: self._later(self._show, parts, step, shown),
            )
        except Cancelled:
            return
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # (one broken job must not end the engine)
            logger.exception("drawing failed")
            for part in parts:
                part.job.fail(broken(None, error))
            return
        self._later(self._judge, parts, pixels)

    def _later(self, work: Callable[..., None], parts: Sequence[Part], *arguments: Any) -> None:
        """On a judge's thread; what goes wrong there is logged, never swallowed."""

        def guarded() -> None:
            work_on([part.job for part in parts])
            try:
                work(parts, *arguments)
            except Exception:
                logger.exception("judging failed")

        self._judges.submit(guarded)

    def _draw_one_by_one(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for index in range(part.first, part.first + part.count):
                free_memory()
                try:
                    self._draw([Part(part.job, index, 1)])
                except torch.OutOfMemoryError as error:
                    raise OutOfMemory(str(error)) from error

    def _prepare_all(self) -> None:
        while (job := self._commands.get()) is not None:
            if not job.stop_if_cancelled():
                self._prepare(job)
        self.shelf.close()

    def _prepare(self, job: Job) -> None:
        command = job.command
        work_on([job])
        try:
            prompt = restore_screened_prompt(
                text=command.prompt, receipt=command.prompt_receipt, job_id=command.job
            )
            if command.test_mode:
                self._rehearsals.submit(rehearse, job, prompt, self.release_slug)
                return
            with (
                tracing.span("engine.text_encode", parent=command.traceparent),
                inference_mode(),
            ):
                job.style = style_of(command, self._styles)
                self._place_adapters(job)
                text = self._encoded(job, prompt.text)
                nothing = self._encoded(job, "") if command.guidance > 0 else None
            job.prepare(prompt, text, nothing, release_slug=self.release_slug)
        except PromptTooLong as error:
            facts: dict[str, Any] = {"tokens": error.tokens, "limit": error.limit}
            job.fail(Refused(None, "prompt_too_long", str(error), {**facts, "param": "prompt"}))
        except (AdaptersTooLarge, AdapterMismatch) as error:
            job.fail(Refused(None, "adapter_unusable", str(error), {"param": "adapters"}))
        except DomainError as error:
            job.fail(refusal(None, error))
        except Exception as error:  # (one broken job must not end the engine)
            logger.exception("preparing failed")
            job.fail(broken(None, error))
        else:
            self.shelf.put(job)

    def _encoded(self, job: Job, prompt: str) -> Text:
        return self._texts.encoded(prompt, adapters=job.command.adapters_key, slot=job.slot)

    def _place_adapters(self, job: Job) -> None:
        """Fetch the job's adapters and put them into a slot, which it holds until it is done."""
        command, bank = job.command, self.model.slots
        if not command.adapters:
            return
        if bank is None:
            raise AdapterUnavailable("This engine serves no adapters (LICET_ADAPTER_SLOTS is 0).")
        loaded = [(self._adapters.pairs(use), use.strength) for use in command.adapters]
        key = command.adapters_key
        job.slot = bank.acquire(key, loaded)
        job.on_close = lambda: bank.release(key)

    def _show(self, parts: Sequence[Part], step: int, pixels: Pixels) -> None:
        images = iter(pixels.images())
        for part in parts:
            mine = [next(images) for _ in range(part.count)]
            previews = part.job.previews
            if previews is not None and step in previews.steps and not part.job.closed:
                previews.show(step, mine, first=part.first)

    def _judge(self, parts: Sequence[Part], pixels: Pixels) -> None:
        images = iter(pixels.images())
        for part in parts:
            for index in range(part.first, part.first + part.count):
                image, job = next(images), part.job
                if job.stop_if_cancelled():
                    continue
                assert job.prompt is not None
                job.deliver(pass_gate(image, job.prompt, job.command, index, self.release_slug))

    def _forget_closed(self) -> None:
        for ticket in [key for key, job in self._jobs.items() if job.closed]:
            del self._jobs[ticket]


def free_memory() -> None:
    """Give back what the allocator keeps."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
