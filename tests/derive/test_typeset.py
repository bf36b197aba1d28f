"""The notation as MathML: its structure by hand, and that nothing of a formula is lost."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive import typeset
from derive.typeset.formulas import POWERS, SUBSCRIPTS
from tests.builders import ROOT


def parsed(shown: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<p>{shown.replace('&emsp;', ' ')}</p>")


def outline(element: ElementTree.Element) -> str:
    """An element without its attributes, rows of one, and spaces: mfrac(u 2)."""
    inner = [outline(child) for child in element if child.tag != "mspace"]
    if not inner:
        return (element.text or "").strip("\xa0\u2061 ")
    inner = [one for one in inner if one]
    return " ".join(inner) if element.tag in ("mrow", "math", "p", "mtd") else f"{element.tag}({' '.join(inner)})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u √2/2", "mfrac(u msqrt(2) 2)"),
        ("1/300 ‖W‖²", "mfrac(1 300) msup(‖ W ‖ 2)"),
        ("(f(u) − h)/Δ", "mfrac(f ( u ) − h Δ)"),
        ("(1/2) hₙ₊₁", "mfrac(1 2) msub(h n + 1)"),
        ("2 (1/2)", "2 ( mfrac(1 2) )"),
        ("λ ∂η(ξ, δ)/∂δ", "λ mfrac(∂ η ( ξ , δ ) ∂ δ)"),
        ("dL/dw_ijk", "mfrac(d L d msub(w i j k))"),
        ("∫∫ λ ρ_u dξ dδ", "∫ ∫ λ msub(ρ u) d ξ d δ"),
        ("∫ h dξ′", "∫ h d ξ ′"),
        ("φ′_i", "msub(φ ′ i)"),
        ("v_ikᵀ", "msubsup(v i k T)"),
        ("M′⁻¹ B", "msup(M ′ − 1) B"),
        ("φ̃_j(ξ′)", "msub(mover(φ ~) j) ( ξ ′ )"),
        ("ḣ = H̄₁", "mover(h ˙) = msub(mover(H ¯) 1)"),
        ("tanh(u)²", "msup(tanh ( u ) 2)"),
        ("(∂ρ/∂u)ᵀ v", "msup(( mfrac(∂ ρ ∂ u) ) T) v"),
        ("Σ_k t_k z_k", "munder(Σ k) msub(t k) msub(z k)"),
        ("Σ[j = 1 … N] h[l, j]", "munderover(Σ j = 1 N) msub(h l , j)"),
        ("lim[N → ∞] u", "munder(lim N → ∞) u"),
        ("{0 if u ≤ 1; u otherwise}", "{ mtable(mtr(0 if u ≤ 1) mtr(u otherwise))"),
        ("u^(3/2)", "msup(u mfrac(3 2))"),
        ("2.2·10^−308", "2.2 · msup(10 − 308)"),
        ("|y − y*|²", "msup(| y − msup(y *) | 2)"),
        ("⟨φ_i, χ_l⟩", "⟨ msub(φ i) , msub(χ l) ⟩"),
        ("h_next = f(u)", "msub(h next) = f ( u )"),
        ("1/(2 n)/√(e/n)", "mfrac(mfrac(1 2 n) msqrt(mfrac(e n)))"),
        ("−2 h + (−1)", "− 2 h + ( − 1 )"),
        ("a·₁", "msub(a · 1)"),
        ("PW", "P W"),
        ("x ¿ y", "x ¿ y"),
        ("f(u", "f ( u )"),
        ("u)", "u )"),
        ("", ""),
    ],
)
def test_structure(text: str, expected: str) -> None:
    assert outline(parsed(typeset.inline(text))) == expected


def _plain(text: str) -> str:
    """Letters, digits and relations of a text, whatever stands where: accents and scripts are moved."""
    import unicodedata

    same = str.maketrans({**SUBSCRIPTS, **POWERS, "~": "\u0303", "¯": "\u0304", "˙": "\u0307"})
    return "".join(sorted(re.sub(r"[\s_^/√(){};\[\]\u2061…]", "", unicodedata.normalize("NFD", text).translate(same))))


@pytest.mark.parametrize("name", ["leaves", "gunpoint", "digits2d", "burgers", "stiff"])
def test_nothing_of_a_formula_is_lost(name: str) -> None:
    """Every sign of every formula of a derivation is in its MathML, once; fractions lose their brackets alone."""
    text = (ROOT / "generated" / name / "derivation.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("    "):
            shown = parsed(typeset.formula(line[4:]))
            assert _plain("".join(shown.itertext())) == _plain(line), line


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("Layer l sits at the depth δ = l Δ, neuron i at the width ξ.", ["l", "δ = l Δ", "i", "ξ"]),
        ("A layer has a weight. I add a bias, 60 × 20, of length 2.", []),
        ("in the discrete L2 inner product, so that A X = 1.", ["A X = 1"]),
        ("γ(u) = (f(u) − u)/Δ applied to it misses the layer by h − u: the two", ["γ(u) = (f(u) − u)/Δ", "h − u"]),
        ("Slab 1, δ from 0 to 1:", ["δ"]),
        ("by u1, by u2 and by h.", ["u1", "u2", "h"]),
        ("C_jl = ⟨φ̃_j, χ_l⟩", ["C_jl = ⟨φ̃_j, χ_l⟩"]),
        ("solutions of (1 − γ J) dH = residual, by", ["(1 − γ J) dH"]),
        ("a step of 1/4 (see (4), (5) and the nodes ξ_q)", ["1/4", "ξ_q"]),
        ("legendre (cells 1, degree 3) ⊗ p0 (cells 2)", []),
        ("Σ b_i c_i^2", ["Σ b_i c_i^2"]),
        ("Rate tanh(u) - a*h**3, a = 4.", ["tanh(u) − a h³", "a = 4"]),
        ("declares 'u1*sigmoid(u2) - 2*h', which", ["u1 sigmoid(u2) − 2 h"]),
        ("custom (functions 1, xi, exp(-8*xi**2))", ["ξ", "exp(−8 ξ²)"]),
        ("a clock - and a user's own key/value", []),
    ],
)
def test_formulas_are_found_in_prose(text: str, formulas: list[str]) -> None:
    shown = parsed(typeset.prose(text))
    found = [outline(one) for one in shown.iter("math")]
    assert found == [outline(parsed(typeset.inline(one))) for one in formulas]


def test_prose_is_escaped_and_bold() -> None:
    assert typeset.prose("**The <b>.** 1 < 2 & so") == "<strong>The &lt;b&gt;.</strong> 1 &lt; 2 &amp; so"
    assert "strong" not in typeset.prose("'h**3 - x**2' is no bold")


def test_long_formulas_are_pieces_that_wrap_and_short_ones_are_whole() -> None:
    whole, term = "a + b = c", "λ(ξ, δ) ρ_u(ξ, δ) η(ξ, δ)"
    assert typeset.inline(whole).count("<math") == 1
    long = parsed(typeset.formula(f"∫∫ ({term} + {term} − {term}) dξ dδ"))
    pieces = [outline(one) for one in long.iter("math")]
    assert len(pieces) == 3 and pieces[1].startswith("+ λ") and pieces[2].startswith("− λ")
    assert pieces[0].startswith("∫ ∫ ( λ") and pieces[2].endswith(") d ξ d δ")


@given(st.text(alphabet="aAhuΔξλφ\u0303²ₙᵀ′_^/√∫∂Σ‖|⟨⟩()[]{};,.*+−-=≤… 12dfexplim&<>'\"", max_size=40))
def test_every_text_has_a_well_formed_page(text: str) -> None:
    for shown in (typeset.formula(text), typeset.prose(text)):
        parsed(shown)


def test_brackets_without_end_stand_as_they_are() -> None:
    assert typeset.prose("u" + "(" * 9000).endswith("(((")


def test_the_number_of_an_equation_stands_at_its_end() -> None:
    shown = parsed(typeset.formula("ḣ = A ρ(u, X h)                 (5)"))
    (number,) = shown.iter("span")
    assert number.text == "(5)" and number.get("class") == "number"
    assert "(5)" not in "".join("".join(one.itertext()) for one in shown.iter("math"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [("tanh(u1) - 4*h**3", "tanh(u1) − 4 h³"), ("f(u)/Delta", "f(u)/Δ"), ("u**a", "u^a"), ("h**12", "h¹²")],
)
def test_expressions_of_the_grammar(given: str, expected: str) -> None:
    assert typeset.expression(given) == expected
