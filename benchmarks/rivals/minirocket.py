"""aeon's MiniRocket on arrays of one grid: prints test accuracies, and seconds for 1,000 records, as JSON.

    python minirocket.py DATA.npz SEED

DATA holds "train/x" (records, channels, points), "train/y", "test/y" and a "test/x/NAME" for every sampling NAME.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier


def main() -> None:
    path, seed = sys.argv[1:]
    with np.load(path) as stored:
        data = {name: stored[name] for name in stored.files}
    model = MiniRocketClassifier(random_state=int(seed), n_jobs=1).fit(data["train/x"], data["train/y"])
    found = {}
    for name in (name.removeprefix("test/x/") for name in data if name.startswith("test/x/")):
        started = time.perf_counter()
        answers = model.predict(data[f"test/x/{name}"])
        seconds = time.perf_counter() - started
        found[name] = float(np.mean(answers == data["test/y"])), 1000 * seconds / len(answers)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
