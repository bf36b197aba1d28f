"""aeon's MiniRocket, or another rocket, on arrays of one grid: test accuracies, seconds for 1,000 records, as JSON.

    python minirocket.py DATA.npz SEED [MiniRocket | MultiRocketHydra]

DATA holds "train/x" (records, channels, points), "train/y", "test/y" and a "test/x/NAME" for every sampling NAME.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from aeon.classification import convolution_based


def main() -> None:
    path, seed, name, *_ = [*sys.argv[1:], "MiniRocket"]
    with np.load(path) as stored:
        data = {name: stored[name] for name in stored.files}
    kind = getattr(convolution_based, f"{name}Classifier")
    model = kind(random_state=int(seed), n_jobs=1).fit(data["train/x"], data["train/y"])
    found = {}
    for name in (name.removeprefix("test/x/") for name in data if name.startswith("test/x/")):
        started = time.perf_counter()
        answers = model.predict(data[f"test/x/{name}"])
        seconds = time.perf_counter() - started
        found[name] = float(np.mean(answers == data["test/y"])), 1000 * seconds / len(answers)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
