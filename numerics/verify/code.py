"""Generated code: kernels against the exact tables, precisions, threads, bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from derive.spec import digest
from numerics.verify.subject import RECORDS, Subject

SIMULATED = 3  # records: the simulator is Python, thread by thread


def kernels(subject: Subject) -> None:
    """The kernels against the NumPy network, by both plans: the spec's own compiled, the other one as Python."""
    expected = subject.reference.final(subject.fields, subject.states)
    for plan in subject.plans:
        model, records = subject.planned(plan)
        count = min(len(records), RECORDS)
        wanted = expected[:, :, :count]
        found = model.solver.final(records.states[:, :count]).reshape(wanted.shape)
        error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        subject.at_most("code", f"kernels against NumPy, {plan}", error, 1e-12, "derivation.md")


def precision(subject: Subject) -> None:
    """Single against double precision: loss and gradient. Single is compiled where the spec asks for it."""
    single = replace(subject.spec, precision="float32", levels=())
    model = subject.model.replace(base=single, level=None)
    if subject.base.precision == "float64":
        model = subject.plain(model, "float32")
    (loss, slope), (loss32, slope32) = (m.objective(subject.few) for m in (subject.model, model))
    changed = float(np.linalg.norm(slope - slope32) / np.linalg.norm(slope))
    error = max(abs(loss - loss32) / max(1.0, abs(loss)), changed)
    subject.at_most("code", "float32 against float64: loss, gradient", error, 1e-4, "README.md")


def threads(subject: Subject) -> None:
    """Equal bits with 1, 2 and 5 threads."""
    found = []
    for count in ("1", "2", "5"):
        with _environment("CONTINUA_THREADS", count):
            found.append(subject.model.objective(subject.many))
    same = all(loss == found[0][0] and np.array_equal(slope, found[0][1]) for loss, slope in found)
    text = "equal" if same else "different"
    subject.add("code", "equal bits with 1, 2 and 5 threads", "equal", text, same, "README.md")


@contextmanager
def _environment(name: str, setting: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = setting
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def regeneration(subject: Subject) -> None:
    """Generating twice gives the same bytes, and those of the modules in use."""
    from derive.generate import generate
    from numerics.representation import folders

    files = generate(subject.base)
    same = files == generate(subject.base)
    text = "equal" if same else "different"
    place = folders.entry_of(digest(replace(subject.base, levels=())))
    if place is not None and place[0].name == subject.base.name:
        stale = [name for name, content in files.items() if (place[0] / name).read_bytes() != content]
        same, text = same and not stale, f"stale: {', '.join(stale)}" if stale else text
    subject.add("code", "byte-equal regeneration", "equal", text, same, "README.md")


def simulator(subject: Subject) -> None:
    """The CUDA kernels in Numba's simulator, which needs no GPU, against the compiled ones: state, loss, gradients."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        bare = replace(subject.model.base, precision="float64") if subject.model.level is None else subject.spec
        subject.model.replace(base=bare, level=None).save(path)
        np.savez(Path(folder) / "records.npz", states=subject.states[:, :, :SIMULATED].reshape(-1, SIMULATED),
                 targets=subject.prepared.wanted()[:, :SIMULATED])  # fmt: skip
        environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
        command = [sys.executable, "-m", "numerics.verify.simulator", folder]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    name = "CUDA kernels, simulated, against the CPU's"
    if done.returncode:
        said = " ".join(done.stderr.split()[-12:])
        subject.add("code", name, "≤ 1e-12", f"failed: {said}", False, "README.md")
        return
    subject.at_most("code", name, float(done.stdout), 1e-12, "README.md")
