"""Trains the tiny model: `python -m inference.engine.tiny.train --stage vae|raw|turbo|all --out
DIR [--minutes N]`.

The run's folder holds vae.pt, raw.pt and turbo.pt, each resumable with --resume. Afterwards
`--stage export` writes
the two folders under --weights; `--stage reopen` makes the run's files from them again. A GPU is used
when there is one.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from transformers import AutoTokenizer

from inference.engine.tiny import data, export, reopen, train_flow, train_text, train_vae
from inference.engine.tiny import tokenizer as words
from inference.engine.tiny import vae as tiny_vae

SHARES = {"vae": 0.2, "text": 0.06, "raw": 0.6, "turbo": 0.14}
"""How --minutes is divided when all stages run."""


def main(arguments=None):
    """The command line; returns the exit status."""
    options = _parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    stages = (
        ("vae", "text", "raw", "turbo", "export") if options.stage == "all" else (options.stage,)
    )
    for stage in stages:
        minutes = (
            options.minutes * SHARES.get(stage, 0) if options.stage == "all" else options.minutes
        )
        {
            "vae": _vae,
            "text": _text,
            "raw": _raw,
            "turbo": _turbo,
            "export": _export,
            "reopen": _reopen,
        }[stage](options, minutes)
    return 0


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stage",
        choices=("vae", "text", "raw", "turbo", "export", "reopen", "all"),
        default="all",
    )
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument(
        "--weights", type=Path, default=Path("inference/weights"), help="where folders are exported"
    )
    parser.add_argument("--minutes", type=float, default=75.0)
    parser.add_argument("--threads", type=int, default=2, help="threads of each process")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that train copies and average them (CPU)"
    )
    parser.add_argument(
        "--batch-tokens", type=int, default=0, help="image tokens a step; 0 chooses by device"
    )
    parser.add_argument("--learning-rate", type=float, default=train_flow.LEARNING_RATE)
    parser.add_argument(
        "--native", type=int, choices=(128, 256), default=256, help="side to end on, px"
    )
    parser.add_argument(
        "--hard", type=float, default=0.0, help="share of scenes of the kinds confused most"
    )
    parser.add_argument("--start", type=Path, help="a saved run whose transformer raw starts from")
    parser.add_argument("--resume", action="store_true", help="go on from the stage's own file")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def _tokenizer(options):
    """The run's own tokenizer, made on first use, so that weights and words never part."""
    folder = options.out / "tokenizer"
    if not folder.exists():
        words.build().save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def _vae(options, minutes):
    path = options.out / "vae.pt"
    batch = 12 if options.device == "cpu" else 256
    resume = path if options.resume and path.exists() else None
    train_vae.train(path, minutes, options.device, batch=batch, resume=resume, log=_log)


def _text(options, minutes):
    _share_out(options, minutes, "text")


def _raw(options, minutes):
    _share_out(options, minutes, "raw")


def _turbo(options, minutes):
    _share_out(options, minutes, "turbo")


def _share_out(options, minutes, variant):
    if options.workers == 1:
        return _flow(options, minutes, variant)
    meeting = Path(tempfile.mkdtemp()) / "meeting"
    return multiprocessing.spawn(
        _worker, (options, minutes, variant, meeting), nprocs=options.workers
    )


def _worker(rank, options, minutes, variant, meeting):
    torch.set_num_threads(options.threads)
    distributed.init_process_group(
        "gloo", f"file://{meeting}", rank=rank, world_size=options.workers
    )
    _flow(options, minutes, variant)
    distributed.destroy_process_group()


def _flow(options, minutes, variant):
    if variant == "text":
        path = options.out / "text.pt"
        train_text.train(path, _tokenizer(options), minutes, device=options.device, log=_log)
        return
    if variant == "turbo":
        start = torch.load(options.out / "raw.pt", weights_only=True)["average"]
    else:
        text = torch.load(options.out / "text.pt", weights_only=True)["text_encoder"]
        start = torch.load(options.start, weights_only=True)["average"] if options.start else {}
        start |= {f"text_encoder.{k}": v for k, v in text.items()}
    path, device = options.out / f"{variant}.pt", options.device
    state, tokenizer = torch.load(options.out / "vae.pt", weights_only=True), _tokenizer(options)
    vae = tiny_vae.build()
    vae.load_state_dict(state["vae"])
    encode = data.make_encoder(vae.to(device).eval(), *export.normalisation(state), device)
    tokens = options.batch_tokens or (2048 if device == "cpu" else 65536)
    trainer = train_flow.Trainer(
        encode, tokenizer, turbo=variant == "turbo", device=device, batch_tokens=tokens,
        start=start, lr=options.learning_rate * (0.4 if variant == "turbo" else 1.0),
        hard=options.hard,
    )  # fmt: skip
    if options.resume and path.exists():
        trainer.load(path)
    train_flow.run(trainer, path, minutes, native=options.native, log=_log)


def _reopen(options, _minutes):
    """The run's files again from the exported folders, so that training can go on from them."""
    reopen.reopen(options.weights, options.out)
    _log(f"reopened {options.weights} in {options.out}: go on with --stage turbo --resume")


def _export(options, _minutes):
    state, tokenizer = torch.load(options.out / "vae.pt", weights_only=True), _tokenizer(options)
    seen = 0
    for variant in ("raw", "turbo"):
        path = options.out / f"{variant}.pt"
        trained = torch.load(path if path.exists() else options.out / "raw.pt", weights_only=True)
        seen += trained["samples"] if path.exists() else 0
        facts = {"training_samples": seen, "default_side": options.native}
        export.export(
            options.weights / f"krea-2-tiny-{variant}",
            variant,
            state,
            trained["average"],
            tokenizer,
            facts,
        )
        _log(f"exported {variant}: {trained['samples']} samples")


def _log(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
