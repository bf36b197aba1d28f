"""The network of specs/leaves.toml in PyTorch, as people write it: prints the seconds of an epoch, median of several.

    python convolution.py CELLS RECORDS BATCH EPOCHS THREADS

32 channels around a circle, four Euler steps h ← h + ¼ (4 sin u1 σ(u2) − 2 h) with u = conv(h) + V h + b, each with a
convolution of its own, a mean and an affine layer behind them, Adam; as many taps as κ covers on so many cells.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from torch import nn

CHANNELS, STEPS, CLASSES, REACH = 32, 4, 6, 0.25


class Network(nn.Module):
    def __init__(self, cells: int) -> None:
        super().__init__()
        taps = 2 * round(REACH * cells / 2) + 1
        self.lift = nn.Conv1d(1, CHANNELS, 1)
        self.wide = nn.ModuleList(
            nn.Conv1d(CHANNELS, 2 * CHANNELS, taps, padding=taps // 2, padding_mode="circular") for _ in range(STEPS)
        )
        self.local = nn.ModuleList(nn.Conv1d(CHANNELS, 2 * CHANNELS, 1, bias=False) for _ in range(STEPS))
        self.readout = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.lift(x)
        for wide, local in zip(self.wide, self.local):
            first, gate = (wide(h) + local(h)).chunk(2, dim=1)
            h = h + (4 * torch.sin(first) * torch.sigmoid(gate) - 2 * h) / STEPS
        return self.readout(h.mean(dim=2))


def main() -> None:
    cells, records, batch, epochs, threads = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Network(cells)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    x, y = torch.randn(records, 1, cells), torch.randint(CLASSES, (records,))
    seconds = []
    for _ in range(epochs + 1):
        start = time.perf_counter()
        for part in torch.randperm(records).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimiser.step()
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds[1:]))


if __name__ == "__main__":
    main()
