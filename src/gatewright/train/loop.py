"""The training loop of all families: AdamW, a cosine, the best epoch on a part held out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gatewright.train.modules import Trainable

Progress = Callable[[str, int, int], None]
CHUNK = 1 << 14
WARM = 0.05
"""Share of all steps in which the learning rate rises."""


@dataclass(frozen=True)
class Part:
    """Samples and what is to be learnt of them: class numbers, or numbers."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    epochs: int
    batch: int
    rate: float
    decay: float
    patience: int


@dataclass
class Epoch:
    """What an epoch came to, on the part held out: accuracy, or R2 of numbers."""

    number: int
    loss: float
    held_out: float
    settled: bool


@dataclass
class Trace:
    """All epochs, and the best of those in which the network had its size."""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = -1


def score(module: Trainable, part: Part) -> float:
    """Return accuracy where classes are learnt, else the part of the variance explained."""
    module.eval()
    with torch.no_grad():
        steps = range(0, len(part.x), CHUNK)
        found = torch.cat([module(part.x[s : s + CHUNK]) for s in steps])
    if part.y.is_floating_point():
        rest, whole = ((part.y - found) ** 2).mean(), part.y.var(0, correction=0).mean()
        return float(1 - rest / torch.clamp(whole, min=1e-12))
    return float((found.argmax(1) == part.y).float().mean())


def train(
    module: Trainable,
    learnt: Part,
    held: Part,
    schedule: Schedule,
    seed: int,
    what: str,
    progress: Progress | None,
) -> Trace:
    """Train, and leave the module as it was at its best epoch."""
    device = learnt.x.device
    rng = torch.Generator().manual_seed(seed)
    flat = [p for p in module.parameters() if p.ndim < 2]  # biases, scales: no decay
    wide = [p for p in module.parameters() if p.ndim >= 2]
    groups = [{"params": wide}, {"params": flat, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate, weight_decay=schedule.decay)
    loss_of = (
        torch.nn.functional.mse_loss
        if learnt.y.is_floating_point()
        else torch.nn.functional.cross_entropy
    )
    batches = max(len(learnt.x) // schedule.batch, 1)
    total = batches * schedule.epochs

    def rate(step: int) -> float:
        warm = max(int(WARM * total), 1)
        rest = torch.tensor(torch.pi * min(max((step - warm) / max(total - warm, 1), 0.0), 1.0))
        return (step + 1) / warm if step < warm else float(0.01 + 0.99 * (1 + rest.cos()) / 2)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    trace, best, state = Trace(), -float("inf"), None
    for number in range(schedule.epochs):
        module.train()
        order = torch.randperm(len(learnt.x), generator=rng).to(device)
        felt = torch.zeros((), device=device)
        for k in range(batches):
            rows = order[k * schedule.batch : (k + 1) * schedule.batch]
            loss = loss_of(module(learnt.x[rows]), learnt.y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            module.after_backward()
            optimizer.step()
            scheduler.step()
            felt += loss.detach()
        module.after_epoch((number + 1) / schedule.epochs)
        found = score(module, held)
        trace.epochs.append(Epoch(number, float(felt) / batches, found, module.settled))
        if progress:
            progress(f"{what}, {found:.1%} held out", number + 1, schedule.epochs)
        if module.settled and found > best:
            best, trace.best, state = found, number, copy.deepcopy(module.state_dict())
        if trace.best >= 0 and number - trace.best >= schedule.patience:
            break
    if state is not None:
        module.load_state_dict(state)
    module.eval()
    return trace
