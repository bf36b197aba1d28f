"""A slab's kernels as data: forward (7), its adjoint (10), its tangent, and the stage operators (4) with theirs (11).

The adjoint kernels and the tangent are what the rules of ``operations`` make of the forward ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.exact.structure import Structure
from derive.program import operations
from derive.program.build import Program
from derive.program.layout import MAKES, NEWTON_ARGUMENTS, Memory
from derive.program.memory import adjoint_memory, forward_memory, sizes, tables, tangent_memory
from derive.program.operations import (
    Body,
    Combine,
    Contract,
    Cotangents,
    Groups,
    Mix,
    Operation,
    Place,
    Repeat,
    Sandwich,
    Stages,
    Unmix,
)


@dataclass(frozen=True)
class Kernel:
    """One kernel. title: what it computes, for its docstring.

    arguments, results: what it is called with; the results are written, or added to, and are arguments like the others.
    like: the argument whose kind of numbers it computes with.  sizes: name → expression of what its loops run over.
    memory: arrays of its own.  kept: arrays with a slot for every stage.  program: of the slab that it belongs to.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    body: Body
    like: str
    sizes: tuple[tuple[str, str], ...] = ()
    memory: tuple[Memory, ...] = ()
    kept: tuple[str, ...] = ()
    program: Program | None = None


def kernels(program: Program, tangents: bool = False) -> tuple[Kernel, ...]:
    """All kernels of a plan: its operators and their adjoint, forward and adjoint; and with ``tangents`` that."""
    found = [*operators(program, False)]
    if program.form.entry and program.plan == "formed":
        found += operators(program, True)
    return (*found, forward(program), adjoint(program), *((tangent(program),) if tangents else ()))


# --- forward, adjoint and tangent ---------------------------------------------------------------------------


def steps(program: Program) -> Body:
    """h → h(stop): the state as it arrives, then step by step."""
    form = program.form
    if program.implicit:
        stages: Operation = Groups(form.stage, operations.tangent(form.stage, learned=False))
    else:
        stages = Stages((Combine("H", "i"), *form.stage), form.entry)
    arriving = (Contract("h_next", "P_entry", "h_entry", "dense"),) if program.entry else ()
    return (*arriving, Repeat("steps", (stages, Combine("h_next", "stages"))))


def forward(program: Program) -> Kernel:
    """(7) with the stages of (4), (5); the state is advanced in place."""
    form = program.form
    kept, memory = tuple(k.name for k in form.kept), forward_memory(program)
    results = ("keep", *kept, *(["unsolved"] if program.implicit else []))
    return Kernel(
        f"{program.plan}_forward", _title(program, "forward"), _arguments(program, "h"), results,
        steps(program), "h", sizes(program, "h"), memory, kept, program,
    )  # fmt: skip


def adjoint(program: Program) -> Kernel:
    """(10), (11) in reverse order of the stages; ``bar`` becomes dL/dh_0 in place."""
    form = program.form
    held = Cotangents(["h_entry"])  # the first stage may have met the state as it arrives
    kept = tuple(k.name for k in form.kept)
    results = [*kept, "bar_operators", "bar_biases"]
    results += [f"bar_{name}" for name in _also_learned(program)]
    if program.entry:
        results += ["bar_entry", *(["bar_operator_entry"] if form.entry and program.plan == "formed" else [])]
    return Kernel(
        f"{program.plan}_adjoint", _title(program, "adjoint"), _arguments(program, "bar"),
        tuple(results), operations.adjoint(steps(program), held), "bar", sizes(program, "bar"),
        adjoint_memory(program), kept, program,
    )  # fmt: skip


def tangent(program: Program) -> Kernel:
    """The derivative of (7) in a direction: ``dot`` becomes dh(stop) in place, for a sweep whose stages were kept."""
    form = program.form
    changes = ["dot_operators", "dot_biases", *(f"dot_{name}" for name in _also_learned(program))]
    if program.entry:
        changes += ["dot_entry", *(["dot_operator_entry"] if form.entry and program.plan == "formed" else [])]
    kept = tuple(k.name for k in form.kept)
    return Kernel(
        f"{program.plan}_tangent", _title(program, "tangent"), (*_arguments(program, "dot"), *changes), kept,
        operations.tangent(steps(program), learned=True), "dot", sizes(program, "dot"), tangent_memory(program),
        kept, program,
    )  # fmt: skip


def _arguments(program: Program, state: str) -> tuple[str, ...]:
    """A state, the tableau, what is learned, and the tables that a stage's chain applies, in a fixed order."""
    applied = {op.table for op in program.form.stage if isinstance(op, Contract) and not op.learned}
    found = [state, "combine", "operator_index", "bias_index", "operators", "biases"]
    found += tables(program, [t for table in MAKES for t in program.factors(table) if t in applied])
    entry = {op.table for op in program.form.entry if isinstance(op, Contract) and not op.learned}
    found += [f"{t}_entry" for t in ("C", "X") if t in entry]
    found += [*(["w_blocks"] if program.blocks else []), *_also_learned(program)]
    found += ["V_blocks"] if program.local else []
    if program.entry:
        found += ["h_entry", "P_entry"]
        found += ["operator_entry"] if program.form.entry and program.plan == "formed" else []
    found += NEWTON_ARGUMENTS if program.implicit else ()
    return (*found, "constants", "channels")


def _also_learned(program: Program) -> list[str]:
    """The learned arrays of a stage beside its operator and bias."""
    return [*(["local_operators"] if program.local else []), *(["parameters"] if program.parameters else [])]


def _title(program: Program, kind: str) -> str:
    u = "E_s h + e_s,  E_s = Φ w_s C" if program.plan == "formed" else "Φ (w_s (C h)) + e_s"
    u += " + V_s X h" if program.local else ""
    u += ", normalised over the channels" if program.normalised else ""
    if kind == "forward":
        return f"h ← h(stop): m_i = A r(u, X h),  u = {u}   (4), (5), (7)."
    if kind == "tangent":
        return "dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."
    return "bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."


# --- stage operators ----------------------------------------------------------------------------------------


def operators(program: Program, entry: bool) -> tuple[Kernel, Kernel]:
    """Stage operators from the fields' coefficients, and the gradients of the coefficients from theirs.

    entry: the operator of the very first stage of a slab whose state arrives in another basis, alone.
    """
    body = (*_weights(program, entry), *(_biases(program) if not entry else ()))
    body += _local(program) if program.local else ()
    given, add, made = ["w", "theta", *_weight_tables(program, entry)], [], ["operators"]
    bars = ["bar_operators", "theta", *_weight_tables(program, entry)]
    if not entry:
        given += ["beta", "vartheta", *tables(program, ["Psi"])]
        bars += ["bar_biases", "vartheta", *tables(program, ["Psi"])]
        made.append("biases")
        add = ["bar_beta"]
    if program.local:
        given += ["v", "Psi_V"]
        bars += ["bar_local_operators", "Psi_V"]
        made.append("local_operators")
        add.append("bar_v")
    title, name = _operator_title(program, entry), f"{program.plan}_{'entry_' if entry else ''}operators"
    back = tuple(rule for part in body for rule in part.adjoint(Cotangents()))  # the parts know nothing of each other
    common = ("constants", "channels")
    return (
        Kernel(name, title, (*given, *common), tuple(made), body, "w", (), _room(body, "w"), (), program),
        Kernel(f"{name}_adjoint", f"The adjoint of: {title}   (11)", (*bars, *common), ("bar_w", *add), back,
               "bar_w", (), _room(body, "bar_w"), (), program),
    )  # fmt: skip


def depth_adjoint() -> Kernel:
    """The last of the operators' adjoint alone, for targets that add the stages' shares in a kernel of its own."""
    title = "The adjoint of the mix over depth: bar_ke += Σ_s θ_sk mixed_se   (11)."
    return Kernel("depth_adjoint", title, ("theta", "mixed"), ("bar",), (Unmix("bar", "mixed", "theta"),), "bar")


def _weights(program: Program, entry: bool) -> Body:
    """w_s = Σ_k θ_k w_k, then E_s = Φ w_s C, or its blocks N w_s."""
    if program.plan == "formed":
        c: tuple[str, Structure] = ("C_entry", "dense") if entry else ("C", program.structure("C"))
        phi = "Phi", program.structure("Phi")
        left, right = (None if structure == "identity" else (table, structure) for table, structure in (phi, c))
        if left or right:
            formed = Sandwich("operators", "mixed", left, right)
            return (Repeat("operators", (Mix("mixed", "w", "theta"), formed)),)
    if program.blocks:
        turned = (Contract("turned", "w_waves", "mixed", "dense"),) if program.waves else ()
        place = Place("operators", "turned" if program.waves else "mixed", program.waves)
        return (Repeat("operators", (Mix("mixed", "w", "theta"), *turned, place)),)
    return (Repeat("operators", (Mix("operators", "w", "theta"),)),)


def _biases(program: Program) -> Body:
    """e_s = Ψ Σ_k ϑ_k β_k."""
    psi = program.structure("Psi")
    if psi == "identity":
        return (Repeat("biases", (Mix("biases", "beta", "vartheta", vector=True),)),)
    applied = Contract("biases", "Psi", "mixed_bias", psi)
    return (Repeat("biases", (Mix("mixed_bias", "beta", "vartheta", vector=True), applied)),)


def _local(program: Program) -> Body:
    """The matrices V_s, one a different row of Ψ, from those of ψ_i."""
    applied = Contract("local_operators", "Psi_V", "mixed_local", "dense")
    return (Repeat("local_operators", (Mix("mixed_local", "v", "vartheta"), applied)),)


def _weight_tables(program: Program, entry: bool) -> list[str]:
    if program.plan == "factors":
        return [*(["w_waves"] if program.waves else []), *(["w_entries", "w_values"] if program.blocks else [])]
    return [*tables(program, ["Phi"]), *(["C_entry"] if entry else tables(program, ["C"]))]


def _room(body: Body, w: str) -> tuple[Memory, ...]:
    """Arrays between the operations, as large as the coefficients that are mixed; w: the name of those of W."""
    bar = w.removesuffix("w")
    shapes = {
        "mixed": (f"{w}.shape[1]", f"{w}.shape[2]"), "turned": ("w_waves.shape[0]", f"{w}.shape[2]"),
        "mixed_bias": (f"{bar}beta.shape[1]",), "mixed_local": (f"{bar}v.shape[1]", f"{bar}v.shape[2]"),
    }  # fmt: skip
    made = {getattr(op, "out", "") for part in body if isinstance(part, Repeat) for op in part.body}
    return tuple(Memory(name, shape) for name, shape in shapes.items() if name in made)


def _operator_title(program: Program, entry: bool) -> str:
    if program.plan == "factors":
        w = "the blocks of w_s = N Σ_k θ_k(δ_s) z_k" if program.blocks else "w_s = Σ_k θ_k(δ_s) w_k"
        w += ",  N by frequencies" if program.waves else ""
        v = ",  V_s = Ψ Σ_k ϑ_k(δ_s) v_k" if program.local else ""
        return f"{w},  e_s = Ψ Σ_k ϑ_k(δ_s) β_k{v}   (4)"
    if entry:
        return "E_s = Φ (Σ_k θ_k(δ_s) w_k) C for the state as it arrives   (4)"
    return "E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"
