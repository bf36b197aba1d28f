"""The levels, section 8 of a derivation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from derive.derived import Derived
from derive.explain.discretisation import coefficients, family
from derive.explain.markdown import shown, table
from derive.spaces.basis import build
from derive.spaces.transfer import contains
from derive.spec import BasisSpec, Spec, step_lengths
from derive.spec.table_names import directions


def levels_of(base: Derived, levels: Sequence[Derived]) -> Iterator[str]:
    """Section 8: what every level changes, in fields and in the solver."""
    if not levels:
        return
    yield from (
        "## 8. The levels",
        "",
        "A field moves from one basis to another by its L2 projection, axis by axis:",
        "",
    )
    yield from shown("P = M′⁻¹ B,  B_ij = ⟨φ′_i, φ_j⟩,  on W: P_ξ ⊗ P_ξ′ ⊗ P_δ        (13)")
    for level in levels:
        yield from (f"### {level.name}", "")
        yield from (
            f"{coefficients(level.spec, level.forms)} coefficients, where the base has "
            f"{coefficients(base.spec, base.forms)}.",
            "",
        )
        rows = list(_changes(base.spec, level.spec))
        yield from (table(("field and slab", "from", "to", "P"), rows) if rows else ("Its fields are the base's.", ""))
        changed = _solver_changes(base, level)
        if changed:
            yield from (
                f"The solver changes: {', '.join(changed)}. Outputs move by the discretisation error.",
                "",
            )
        elif all(row[3].startswith("prolongation") for row in rows):
            yield from ("The solver is the base's and every field is kept exactly, so outputs stay.", "")
        else:
            yield from (
                "The solver is the base's: outputs move only by what the projection takes off the fields.",
                "",
            )


def _changes(spec: Spec, level: Spec) -> Iterator[tuple[str, str, str, str]]:
    target = {role: (basis, interval) for role, basis, interval in directions(level)}
    for role, basis, interval in directions(spec):
        if role not in target or target[role] == (basis, interval):
            continue
        if target[role][1] != interval:
            yield role, _sized(basis), _sized(target[role][0]), "none: the slabs differ"
            continue
        old, new = build(basis, interval), build(*target[role])
        kind = "prolongation" if contains(new, old) else "projection"
        yield role, _sized(basis), _sized(target[role][0]), f"{kind}, {new.size} × {old.size}"


def _sized(basis: BasisSpec) -> str:
    return f"{family(basis)}, {basis.size}"


def _solver_changes(base: Derived, level: Derived) -> list[str]:
    old, new = base.spec, level.spec
    changed = []
    if [old.entry, *(s.state for s in old.slabs)] != [new.entry, *(s.state for s in new.slabs)]:
        changed.append("the state's basis")
    if _nodes(base) != _nodes(level):
        changed.append("the quadrature")
    if old.tableau != new.tableau:
        changed.append(f"the tableau, to {new.tableau.name}")
    if old.tolerance != new.tolerance:
        changed.append(f"the steps, to {new.solver}")
    elif [*chain(*step_lengths(old))] != [*chain(*step_lengths(new))]:
        changed.append(f"{old.steps} steps become {new.steps}" if old.steps != new.steps else "the steps' lengths")
    return changed


def _nodes(derived: Derived) -> list[list[float]]:
    return [points.to_float().ravel().tolist() for form in derived.forms for points in form.nodes]
