"""Turned digits by escnn's equivariant network, as its examples write one: prints a JSON object a file.

    python turned_digits.py DATA.npz …

DATA: x, test (N, 8, 8), y, classes and a seed. Two convolutions of 3 × 3 pixels to eight regular fields of the quarter
turns with rectifiers, the largest of every field's four channels, means over the image, an affine layer; 200 steps of
Adam on all records. Also printed: numbers of a kernel from one regular field to one, and how far turned images move the
outputs.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from escnn import gspaces
from escnn import nn as enn
from torch import nn

FIELDS, STEPS, RATE, CLASSES = 8, 200, 0.01, 9


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        space = gspaces.rot2dOnR2(4)
        self.given = enn.FieldType(space, [space.trivial_repr])
        wide = enn.FieldType(space, FIELDS * [space.regular_repr])
        self.layers = enn.SequentialModule(
            enn.R2Conv(self.given, wide, 3, padding=1), enn.ReLU(wide),
            enn.R2Conv(wide, wide, 3, padding=1), enn.ReLU(wide), enn.GroupPooling(wide),
        )  # fmt: skip
        self.readout = nn.Linear(FIELDS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.readout(self.layers(enn.GeometricTensor(x[:, None], self.given)).tensor.mean(dim=(2, 3)))


def kernels() -> dict[str, int]:
    found = {}
    for name, space in (("p4", gspaces.rot2dOnR2(4)), ("p4m", gspaces.flipRot2dOnR2(4))):
        one = enn.FieldType(space, [space.regular_repr])
        found[name] = enn.R2Conv(one, one, 3, bias=False).weights.numel()
    return found


def answered(data: dict[str, np.ndarray]) -> dict[str, object]:
    torch.manual_seed(int(data["seed"]))
    x, test = (torch.tensor(data[name], dtype=torch.float32) for name in ("x", "test"))
    y, model = torch.tensor(data["y"]), Network()
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        scores, turned = model(test), model(torch.rot90(test, 1, (1, 2)))
    return {
        "accuracy": float((scores.argmax(dim=1).numpy() == data["classes"]).mean()),
        "gap": float((scores - turned).abs().max() / scores.abs().max()),
        "numbers": sum(p.numel() for p in model.parameters()),
        "kernels": kernels(),
    }


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps(answered(dict(np.load(path)))))
