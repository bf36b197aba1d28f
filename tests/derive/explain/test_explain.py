"""The derivation as text: its order, its numbers, its notation, and the same bytes from every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import sympy as sp

from derive import registry
from derive.declaration import load_spec
from derive.explain import pages as explain
from derive.explain.notation import formula
from derive.explain.tableaux import named_tableau, tableau_text
from derive.generate import diff
from derive.program.scalar import tree
from tests.builders import ROOT, marked

DECLARED = {
    "name": "test",
    "summary": "A small one",
    "equation": {"rate": "mlp", "activation": "relu", "spacing": "1/2", "channels": 2},
    "state": {"basis": {"family": "legendre", "size": 4}},
    "weight": {
        "width_out": {"family": "hat", "cells": 3},
        "width_in": {"family": "bspline", "degree": 2, "cells": 2},
        "depth": {"family": "p0", "cells": 2},
    },
    "bias": {"width": {"family": "hat", "cells": 3}, "depth": {"family": "hat", "cells": 1}},
    "integration": {"tableau": "heun", "steps": 4},
    "readout": {"outputs": 3, "basis": {"family": "legendre", "size": 3}},
    "loss": {"kind": "cross-entropy"},
    "levels": {
        "fine": {"weight": {"depth": {"family": "p0", "cells": 4}}},
        "finer": {"weight": {"width_out": {"family": "hat", "cells": 2}}, "integration": {"steps": 8}},
    },
}
SECTIONS = [
    "## 1. From layers to a continuum", "## 2. The rate", "## 3. The bases", "## 4. The semi-discrete form",
    "## 5. Integration in depth", "## 6. The adjoint", "## 7. The loss", "## 8. The levels",
]  # fmt: skip
PRINT = "import json, sys; from derive.explain import pages as explain; from derive.declaration import load_spec; " \
    "sys.stdout.buffer.write(explain.text(load_spec(json.loads(sys.argv[1]))).encode())"  # fmt: skip


@pytest.fixture(scope="module")
def text() -> str:
    return explain.text(load_spec(DECLARED))


def test_the_order_of_an_argument(text: str) -> None:
    places = [text.index(section) for section in SECTIONS]
    assert places == sorted(places)
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not any(written in text for written in ("sqrt(", "Integral(", "Piecewise(", "Derivative("))


@pytest.mark.parametrize(
    "line",
    [
        "    ∂h(ξ, δ)/∂δ = (f(u(ξ, δ)) − h(ξ, δ))/Δ",
        "    u(ξ, δ) = b(ξ, δ) + ∫ W(ξ, ξ′, δ) h(ξ′, δ) dξ′",
        "    ρ = 2 {0 if u ≤ 0; u otherwise} − 2 h",
        "    ∂ρ/∂u = 2 {0 if u ≤ 0; 1 otherwise}",
        "At a kink the derivative is the one from the left.",
        "    h_boxed − f(u) = h − u",
        "| χ, the state | legendre (cells 1, degree 3) | 4 | one cell |",
        "| C_jl = ⟨φ̃_j, χ_l⟩ | 4 × 4 | dense | rational |",
        "| Σ b_i c_i | 1/2 | 1/2 |",
        "    R(z) = 1 + z + z²/2",
        "For the longest step R(κ s) = 5/8.",
        "    hₙ₊₁ = (5/8) hₙ + (1/16) m₁ + (1/8) m₂",
        "    m̄₁ = (1/16) h̄ₙ₊₁ + (1/4) H̄₂",
        "    h̄ₙ = (5/8) h̄ₙ₊₁ + (1/2) H̄₂ + H̄₁",
        "    −∂λ(ξ, δ)/∂δ = V(ξ, δ) λ(ξ, δ) ρ_u(ξ, δ) + λ(ξ, δ) ρ_h(ξ, δ) + ∫ W(ξ′, ξ, δ) λ(ξ′, δ) ρ_u(ξ′, δ) dξ′",
        "    μ₁ = b₁ s λₙ₊₁ + J₂ a₂₁ s μ₂",
        "    ∂L/∂z_k = total exp(z_k)/partition − t_k",
        "| weight_depth/0 | p0 (cells 2, degree 0), 2 | p0 (cells 4, degree 0), 4 | prolongation, 4 × 2 |",
        "The solver is the base's and every field is kept exactly, so outputs stay.",
    ],
)
def test_lines(text: str, line: str) -> None:
    assert line in text.splitlines()


def test_numbers_of_coefficients(text: str) -> None:
    base = 4 * 4 * 2 * 4 + 4 * 2 * 2 + 3 * (3 * 2 + 1)
    assert f"The fields have {base} coefficients in all." in text
    assert f"{base + 4 * 4 * 2 * 4} coefficients, where the base has {base}." in text


def test_a_change_of_solver_is_named(text: str) -> None:
    """Other cells of the weight move the quadrature nodes, though the spec says nothing of them."""
    assert "The solver changes: the quadrature, 4 steps become 8." in text
    assert "projection, 3 × 4" in text


def test_levels_with_other_slabs_list_every_basis_that_changes() -> None:
    """More slabs than the base, and fewer: what lies on other depths, or nowhere, hides nothing that comes after it."""

    def slabs(count: int, size: int) -> dict:
        width, once = [{"family": "legendre", "size": size}] * count, [{"family": "p0", "cells": 1}] * count
        return {
            "weight": {"width_out": width, "width_in": width, "depth": once}, "bias": {"width": width, "depth": once},
        }  # fmt: skip

    levels = {"more": {**slabs(3, 4), "integration": {"steps": 6}}, "fewer": slabs(1, 3)}
    shown = explain.text(load_spec({**DECLARED, **slabs(2, 3), "levels": levels}))
    more, fewer = shown.split("### more\n")[1].split("### fewer\n")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in (more + fewer).splitlines() if "/" in line[:20]
    ]
    widths = [
        [f"{role}/{k}", "prolongation, 4 × 3"] for k in (0, 1) for role in ("weight_out", "weight_in", "bias_width")
    ]
    depths = [[f"{role}/{k}", "none: the slabs differ"] for k in (0, 1) for role in ("weight_depth", "bias_depth")]
    found = [[row[0], row[-1]] for row in rows]
    assert sorted(found[:10]) == sorted(widths + depths)
    assert found[10:] == depths[:2]  # of the one slab that is left; its other bases are the base's
    assert "4 steps become 6" in more
    assert "steps" not in fewer  # four steps of 1/4, in two slabs or in one


def test_exact_matrices_on_request() -> None:
    declared = {**DECLARED, "levels": {}, "state": {"basis": {"family": "p0", "cells": 2}}}
    shown = explain.text(load_spec(declared), matrices=True)
    assert "Slab 1, M, 2 × 2:\n\n    1  0\n    0  1\n" in shown
    assert "1/2" in shown.split("Slab 1, C, ")[1].split("Slab 1, ")[0]


@pytest.mark.slow
def test_same_bytes_from_every_process(text: str) -> None:
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PRINT, json.dumps(DECLARED)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True, check=True, cwd=ROOT,
        )  # fmt: skip
        assert done.stdout == text.encode()


U, H, X = sp.symbols("u h x", real=True)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (2 * sp.tanh(U) - 2 * H, "2 tanh(u) − 2 h"),
        (-(U**2) / 3, "−u²/3"),
        ((1 + U) * H, "h (1 + u)"),
        (sp.exp(-U) / (1 + H) ** 2, "exp(−u)/(1 + h)²"),
        (U / (2 * H * X), "u/(2 h x)"),
        (X - sp.Mul(2, H - U, evaluate=False), "x − 2 (h − u)"),
        (sp.sqrt(U + 1), "√(1 + u)"),
        (U ** sp.Rational(3, 2), "u^(3/2)"),
        (sp.Rational(-1, 2), "−1/2"),
        (sp.Integer(0), "0"),
    ],
)
def test_notation(expression, expected: str) -> None:
    assert formula(expression) == expected
    if "^" not in expected:
        assert formula(tree(expression)) == expected


def test_notation_of_operators() -> None:
    h, xi, depth = sp.Function("h"), sp.Symbol("xi"), sp.Symbol("delta")
    assert formula(sp.Integral(-h(xi), (xi, -1, 1))) == "∫ (−h(ξ)) dξ"
    assert formula(sp.Derivative(h(xi, depth), depth)) == "∂h(ξ, δ)/∂δ"
    assert formula(sp.Symbol("xi'")) == "ξ′" and formula(sp.Symbol("a21")) == "a₂₁"
    cases = sp.Piecewise((0, U <= 1), (U, True), evaluate=False)
    assert formula(cases) == formula(tree(cases)) == "{0 if u ≤ 1; u otherwise}"
    assert formula(tree(sp.pi * U)) == "3.141592654… u" and formula(sp.pi * U) == "u π"


# --- formats ------------------------------------------------------------------------------------------------


def test_the_page_needs_no_network_and_its_formulas_are_mathml() -> None:
    import re
    from xml.etree import ElementTree

    page = explain.html(load_spec(DECLARED))
    for section in SECTIONS:
        assert section.lstrip("# ").split(". ", 1)[1] in page
    assert "http" not in page and "<script" not in page and "src=" not in page and "<pre" not in page
    body = ElementTree.fromstring(re.search(r"<body>.*</body>", page, re.S)[0].replace("&emsp;", " "))
    lines = [line for line in explain.text(load_spec(DECLARED)).splitlines() if line.startswith("    ")]
    blocks = [one for one in body.iter("div") if one.get("class") == "formula"]
    assert len(blocks) == len(lines) > 40
    for shown in body.iter("math"):
        tail = shown.tail
        shown.clear()
        shown.tail = tail
    outside = "".join(body.itertext())  # nothing mathematical is left in the prose
    assert not re.search(r"[α-ωΑ-Ω∫∂Σ√₀-₉ᵀ′]|\b(lambda|rho|xi|delta)\b|[a-z]_[a-z]\b", outside)


def test_the_page_escapes_what_a_spec_says() -> None:
    page = explain.html(load_spec({**DECLARED, "summary": "<script>alert(1)</script> & *so* on", "levels": {}}))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; *so* on" in page


def test_exact_tables_are_no_formulas() -> None:
    declared = {**DECLARED, "levels": {}, "state": {"basis": {"family": "p0", "cells": 2}}}
    page = explain.html(load_spec(declared), matrices=True)
    assert "<pre>1  0\n0  1</pre>" in page


def test_a_derivation_shows_itself() -> None:
    spec = load_spec({**DECLARED, "levels": {}})
    derivation = explain.Derivation(spec)
    assert str(derivation) == explain.text(spec)
    shown = derivation._repr_html_()
    assert shown.startswith("<style>") and shown.count("<math") > 50 and "<body" not in shown


GATED = {"rate": "tanh(u1)*sigmoid(u2) - 2*h**3", "activation": "relu", "spacing": "1/2", "channels": 2}


@pytest.mark.parametrize(
    ("equation", "said", "not_said"),
    [
        (GATED, ["Rate tanh(u1)*sigmoid(u2) - 2*h**3."], ["relu", "Δ = 1/2", "boxed", "inserted"]),
        ({**GATED, "rate": "f(u) - h"}, ["activation relu.", "With the activation inserted"], ["Δ = 1/2", "boxed"]),
        ({**GATED, "rate": "u/Delta"}, ["Δ = 1/2.", "With the numbers inserted"], ["relu", "boxed"]),
        ({**GATED, "rate": "a*u", "parameters": {"a": 3}}, ["a = 3.", "With the numbers inserted"], ["relu", "boxed"]),
        ({**GATED, "rate": "mlp"}, ["activation relu, Δ = 1/2.", "The boxed rate"], []),
    ],
)
def test_the_sections_of_a_spec_speak_of_that_spec(equation: dict, said: list[str], not_said: list[str]) -> None:
    shown = explain.text(load_spec({**DECLARED, "equation": equation, "levels": {}}))
    rate = shown.split("## 2. The rate")[1].split("## 3.")[0]
    assert all(words in rate for words in said) and not any(words in rate for words in not_said)


def test_the_latex_document_is_balanced() -> None:
    import re

    document = explain.latex(load_spec(DECLARED), matrices=True)
    opened = re.findall(r"\\begin\{(\w+)\}", document)
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", document)) and len(opened) > 10
    assert document.count(r"\[") == document.count(r"\]") > 20
    outside = re.sub(r"\\begin\{Verbatim\}.*?\\end\{Verbatim\}|\\\[.*?\\\]", "", document, flags=re.S)
    assert not re.search(r"(?<!\\)[#_](?!\d*mm)", outside.split(r"\begin{document}")[1])


@pytest.mark.slow
def test_a_diff_shows_the_mathematics_and_the_kernels() -> None:
    other = {**DECLARED, "equation": {**DECLARED["equation"], "rate": "residual"}}
    shown = diff(load_spec(DECLARED), load_spec(other))
    mathematics, kernels = shown.split("# The kernels")
    assert "-    ρ = (f(u) − h)/Δ" in mathematics and "+    ρ = f(u)/Δ" in mathematics
    assert "+++" in kernels and "@@" in kernels
    assert diff(load_spec(DECLARED), load_spec(DECLARED)).count("Nothing changes.") == 2


TABLEAUX = registry.names("tableaux")


@pytest.mark.parametrize("name", marked(TABLEAUX, slow=[name for name in TABLEAUX if name not in ("heun", "gauss4")]))
def test_every_tableau_is_explained(name: str) -> None:
    """Order by the conditions printed, and the interval where |R| ≤ 1, against NumPy's roots of R(z) ± 1."""
    import re

    import numpy as np

    from derive.tableau import stability_function

    shown = tableau_text(name)
    assert f"Order {registry.entry('tableaux', name).ORDER}." in shown and (", not " in shown or "Order 5" in shown)
    above, below = ([float(c) for c in p][::-1] for p in stability_function(named_tableau(name)))
    crossings = [
        -root.real
        for sign in (1, -1)
        for root in np.roots(np.polysub(above, sign * np.array(below)))
        if abs(root.imag) < 1e-9 and root.real < -1e-6
    ]
    if not crossings:
        assert "steps of any length" in shown
    else:
        assert abs(float(re.search(r"s ≤ ([\d.]+) Δ", shown)[1]) - min(crossings)) <= 2e-3
