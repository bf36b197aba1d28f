"""neuraloperator's FNO on records of one grid: trains for so many seconds, prints errors on every test set as JSON.

    python fno.py DATA.npz SETTINGS

DATA has train/x, train/y and others' NAME/x, NAME/y, (records, points along every axis). SETTINGS is a JSON object:
seconds, seed, threads, width, modes, layers, grid (whether the positions are channels of the input), learning_rate and
gap. Adam with a cosine decay over the time, batches of 20, relative L2 loss: the published recipe, at equal time. With
a gap the FNO is incremental: it begins with two modes and, by the rule of neuraloperator's IncrementalFNOTrainer, has
one more after every epoch whose loss differs by less than the gap from that of the epoch before.
"""

from __future__ import annotations

import json
import math
import sys
import time

import numpy as np
import torch
from neuralop.models import FNO
from neuralop.training import IncrementalFNOTrainer

FIRST = 2  # modes along every axis of an incremental FNO


def main() -> None:
    path, settings = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    with np.load(path) as stored:
        data = {name: torch.tensor(stored[name], dtype=torch.float32)[:, None] for name in stored.files}
    x, y = data["train/x"], data["train/y"]
    axes, gap = x.ndim - 2, settings["gap"]
    most = (settings["modes"],) * (axes - 1) + (settings["modes"] // 2 + 1,)  # of real functions
    model = FNO(
        n_modes=(FIRST if gap else settings["modes"],) * axes, max_n_modes=most if gap else None,
        hidden_channels=settings["width"], in_channels=1, out_channels=1,
        n_layers=settings["layers"], positional_embedding="grid" if settings["grid"] else None,
    )  # fmt: skip
    rule = IncrementalFNOTrainer(model, 1, incremental_loss_gap=True, incremental_loss_eps=gap) if gap else None
    fastest, budget = settings["learning_rate"], settings["seconds"]
    optimiser = torch.optim.Adam(model.parameters(), lr=fastest)

    def relative(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        apart, size = (torch.linalg.norm(given.flatten(1), dim=1) for given in (found - wanted, wanted))
        return (apart / size).mean()

    # Of one thread the processor's time is taken, which does not depend on what else runs on the machine.
    clock = time.process_time if settings["threads"] == 1 else time.perf_counter
    relative(model(x[:20]), y[:20]).backward()  # what is set up at the first step is not counted
    start = clock()
    while (passed := clock() - start) < budget:
        losses = []
        for part in torch.randperm(len(x)).split(20):
            passed = clock() - start
            for group in optimiser.param_groups:
                group["lr"] = fastest * 0.5 * (1 + math.cos(math.pi * min(1.0, passed / budget)))
            optimiser.zero_grad()
            losses.append(relative(model(x[part]), y[part]))
            losses[-1].backward()
            optimiser.step()
        if rule is not None:
            rule.incremental_update(float(torch.stack(losses).mean()))
            model.n_modes = (model.fno_blocks.convs[0].n_modes[0],) * axes  # the rule sees to the first layer alone
    with torch.no_grad():
        tests = {name.removesuffix("/x") for name in data if name.endswith("/x")} - {"train"}
        errors = {name: float(relative(model(data[f"{name}/x"]), data[f"{name}/y"])) for name in sorted(tests)}
    print(json.dumps(errors))


if __name__ == "__main__":
    main()
