"""Formulas and prose in this project's Unicode notation as HTML: MathML, which browsers typeset without a script.

The notation is read as ``explain.notation`` writes it: factors beside each other are a product, ``/`` divides all
factors before it (of ∂y/∂x the last one) by the next, ``_`` and ``^`` begin an index and a power, ``{a if c; b
otherwise}`` are cases. Whatever the notation does not have stands as it is, so that every text has a page. A long
formula is several <math> elements beside each other, between which a browser wraps.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

STYLE = """
math { font-size: 1.1em; } .formula math { text-indent: 0; }
.formula { margin: .6rem 0 .6rem 1.5rem; padding: .2rem 0 .2rem 1.5rem; text-indent: -1.5rem; line-height: 1.9; }
.formula { overflow-x: auto; overflow-y: hidden; } .formula .number { float: right; text-indent: 0; }
"""

LONG = 44  # characters of a piece of a formula that no line needs to break
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙᵢⱼₖ", "0123456789+−nijk"))
POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ", "0123456789+−T"))
ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "¯", "\u0307": "˙"}
CLOSING = {"(": ")", "[": "]", "⟨": "⟩", "{": "}", "‖": "‖", "|": "|"}
BREAKS = ("+", "−", "=", "≤", "≥", "<", ">", "→", "+=")  # a line may begin with these
MARKS = "\u0300-\u036f"
GREEK = "α-ωΑ-Ωϑ"
TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?…?|[½∞])|(?P<name>[A-Za-z][{MARKS}]+|[A-Za-z]+\d*|[{GREEK}][{MARKS}]*)"
    rf"|(?P<index>_[A-Za-z0-9]+|_[{GREEK}]′?|·?[{''.join(SUBSCRIPTS)}]+)|(?P<power>[{''.join(POWERS)}]+|′+)|(?P<sign>\+=|.)"
)
NAMES = ("<mi", "<mover", "<mrow><mi", "<mrow><mover", "<msub")  # how what may have arguments begins
TALL = re.compile("<mfrac|<munder|<mtable|<msqrt")
WORDS = {"if", "otherwise", "with", "at", "the", "nodes", "of", "last", "state", "in", "on", "mean", "over", "records",
         "for", "zero", "and"}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """Part of a formula. length: of its text; fence: brackets with what they hold, where lines may break too;
    operator: of what is none of the factors of a product."""

    xml: str
    length: int
    fence: tuple[str, Row, str] | None = None
    operator: str = ""


@dataclass(frozen=True)
class Row:
    """Nodes beside each other."""

    nodes: tuple[Node, ...]

    @property
    def xml(self) -> str:
        inner = "".join(node.xml for node in self.nodes)
        return inner if len(self.nodes) == 1 else f"<mrow>{inner}</mrow>"

    @property
    def length(self) -> int:
        return sum(node.length for node in self.nodes)


def formula(line: str) -> str:
    """A line of formulas, with the number of an equation at its end, as a block that wraps."""
    numbered = re.fullmatch(r"(.*?\S)\s{3,}(\(\d+\))", line)
    text, number = (numbered[1], f'<span class="number">{numbered[2]}</span>') if numbered else (line, "")
    parts = [inline(part, block=True) for part in re.split(r"\s{2,}", re.sub(r"\s{2,}\+", " +", text.strip()))]
    return f'<div class="formula">{number}{" &emsp; ".join(parts)}</div>'


def inline(text: str, block: bool = False) -> str:
    """A formula in a line of text; block: as large as in a line of its own."""
    try:
        found = _Reader(text).row()
    except RecursionError:  # brackets in brackets, as nobody writes them
        return html.escape(text)
    pieces = _pieces(found) if found.length > LONG else [found.xml]
    opening = '<math displaystyle="true">' if block else "<math>"
    return " ".join(f"{opening}{piece}</math>" for piece in pieces)


# --- reading ------------------------------------------------------------------------------------------------


def _node(tag: str, text: str, **attributes: str) -> Node:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return Node(f"<{tag}{written}>{html.escape(text)}</{tag}>", len(text))


def _wrapped(tag: str, *children: Node | Row) -> Node:
    return Node(f"<{tag}>{''.join(c.xml for c in children)}</{tag}>", sum(c.length for c in children))


SPACE = Node('<mspace width="0.17em"></mspace>', 0)


class _Reader:
    """Reads one formula from the left to the right."""

    def __init__(self, text: str) -> None:
        text = "".join(unicodedata.normalize("NFD", c) if c.isalpha() else c for c in text)
        self.tokens = [(m.lastgroup or "", m[0]) for m in TOKEN.finditer(text)]
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.peek(-1)

    def row(self, until: str = "") -> Row:
        """Everything up to a closing bracket, which is left out, or to the end."""
        nodes: list[Node] = []
        term = 0  # where the factors of the present term begin
        sign = True  # whether + and − belong to what follows
        while (kind := self.peek())[0] != "end" and kind[1] != until:
            if kind[0] == "space":
                self.take()
                beside = nodes and not nodes[-1].operator and self.peek()[0] in ("name", "number", "sign")
                if beside and self.peek()[1] not in (*BREAKS, "/", ",", ";", until):
                    nodes.append(SPACE)
                continue
            elif kind[1] == "/":
                self.take()
                self._divide(nodes, term)
            elif kind[1] in (*BREAKS, ",", ";", "·", "⊗", "×", "±", "…", ":", "∫", "Σ", "lim") and kind[1]:
                nodes.append(self._operator(sign))
                term = len(nodes)
                sign = kind[1] not in "∫Σ"
                continue
            else:
                nodes.append(self._unless_needed(self.factor(), nodes))
            sign = False
        if until:
            self.take()
        return Row(tuple(nodes))

    def _unless_needed(self, node: Node, before: list[Node]) -> Node:
        """A fraction without its brackets, as in (1/2) h, where no number is before it."""
        inside = node.fence[1].nodes if node.fence and node.fence[0] == "(" else ()
        alone = len(inside) == 1 and inside[0].xml.startswith("<mfrac")
        numbers = any(other.xml.startswith("<mn") for other in before[-2:])
        return inside[0] if alone and not numbers else node

    def _operator(self, sign: bool) -> Node:
        text = self.take()[1]
        if text in ("Σ", "lim"):
            return self._big(text)
        if text == "∫":
            return _node("mo", text)
        if text in "+−" and sign:
            return _node("mo", text, form="prefix")
        found = _node("mo", text, **({"form": "infix"} if text in BREAKS else {}))
        return Node(found.xml, found.length, operator=text)

    def _big(self, text: str) -> Node:
        """A sum or a limit with what stands below and above it."""
        sign = _node("mo", text)
        kind, text = self.peek()
        if kind == "index":
            self.take()
            return _wrapped("munder", sign, _index(text))
        if text != "[":
            return sign
        self.take()
        inside = self.row("]").nodes
        cut = next((k for k, node in enumerate(inside) if node.operator == "…"), None)
        if cut is None:
            return _wrapped("munder", sign, Row(inside))
        return _wrapped("munderover", sign, Row(inside[:cut]), Row(inside[cut + 1 :]))

    def _divide(self, nodes: list[Node], term: int) -> None:
        after = self.peek()[1]
        below = self.factor()
        start = term
        if after == "∂" or re.fullmatch(r"d[A-Za-z]?", after):
            start = max(term, len(nodes) - 1)
        above = Row(tuple(nodes[start:]))
        while above.nodes and above.nodes[-1] is SPACE:
            above = Row(above.nodes[:-1])
        nodes[start:] = [_wrapped("mfrac", _bare(above), _bare(Row((below,))))]

    def factor(self) -> Node:
        """What is multiplied, with its indices and powers."""
        kind, text = self.take()
        if text == "∂" and self.peek()[0] in ("name", "sign") and self.peek()[1] != "/":
            return _wrapped("mrow", _node("mi", "∂"), self.factor())
        if text == "√":
            return _wrapped("msqrt", _bare(Row((self.factor(),))))
        if text in CLOSING:
            return self._scripts(self._fence(text))
        if kind == "name":
            return self._named(text)
        if kind == "number":
            return self._scripts(_node("mn", text))
        if kind in ("index", "power"):  # of nothing
            return _index(text) if kind == "index" else _power(text)
        return _node("mo", text)

    def _fence(self, opening: str) -> Node:
        closing = CLOSING[opening]
        if opening == "{":
            return self._cases()
        inside = self.row(closing)
        ends = [f'<mo form="{form}">{html.escape(s)}</mo>' for form, s in (("prefix", opening), ("postfix", closing))]
        if not TALL.search(inside.xml):  # without a mathematical font browsers make them far too large
            ends = [end.replace("<mo ", '<mo stretchy="false" ') for end in ends]
        xml = f"<mrow>{ends[0]}{inside.xml}{ends[1]}</mrow>"
        return Node(xml, inside.length + 2, (opening, inside, closing))

    def _cases(self) -> Node:
        """{a if c; b otherwise} as lines behind a brace."""
        lines, line, length = [], [""], 0
        for node in self.row("}").nodes:
            length += node.length
            if node.operator == ";":
                lines.append(line)
                line = [""]
            elif node.operator in ("if", "otherwise"):
                line.append(node.xml)
            else:
                line[-1] += node.xml
        cells = "".join(
            "<mtr>" + "".join(f"<mtd>{cell}</mtd>" for cell in line) + "</mtr>" for line in (*lines, line)
        )  # fmt: skip
        return Node(f'<mrow><mo form="prefix">{{</mo><mtable columnalign="left">{cells}</mtable></mrow>', length)

    def _named(self, text: str) -> Node:
        differential = re.fullmatch(r"d([A-Za-z])", text)
        if differential or (text == "d" and re.match(rf"[{GREEK}]", self.peek()[1])):
            letter = differential[1] if differential else self.take()[1]
            return _wrapped("mrow", SPACE, _node("mi", "d", mathvariant="normal"), self._scripts(_letter(letter)))
        called = self.peek()[1] == "("
        if text in WORDS and not called:
            return Node(f"<mtext>&#160;{text}&#160;</mtext>", len(text), operator=text)
        if len(text) > 1 and text.isalpha() and text.isupper() and text.isascii():
            return self._scripts(Row(tuple(_letter(c) for c in text)).nodes[-1], [_letter(c) for c in text[:-1]])
        indexed = re.fullmatch(r"([a-z])(\d+)", text)
        if indexed:  # u1 in prose
            return self._scripts(_wrapped("msub", _letter(indexed[1]), _index("_" + indexed[2])))
        return self._scripts(_letter(text))

    def _scripts(self, base: Node, before: list[Node] | None = None) -> Node:
        """Indices, powers, primes, and the arguments of a function."""
        below: list[Node] = []
        above: list[Node] = []
        result = base
        while True:
            kind, text = self.peek()
            if kind == "index":
                below.append(_index(self.take()[1]))
            elif kind == "power" and text[0] == "′":
                base = result = _wrapped("mrow", result, _node("mo", self.take()[1], lspace="0", rspace="0"))
            elif kind == "power":
                above.append(_power(self.take()[1]))
            elif text == "^":
                self.take()
                minus = [_node("mo", self.take()[1], form="prefix")] if self.peek()[1] == "−" else []
                above.append(_wrapped("mrow", *minus, _bare(Row((self.factor(),)))))
            elif text == "*" and self.peek(1)[0] not in ("name", "number"):
                above.append(_node("mo", self.take()[1]))
            elif text in ("(", "[") and kind == "sign" and base.xml.startswith(NAMES):
                result, below, above = _scripted(result, below, above), [], []
                self.take()
                inside = self._fence(text)
                if text == "[" and inside.fence:
                    result = _wrapped("msub", result, inside.fence[1])
                else:
                    result = _wrapped("mrow", result, _node("mo", "\u2061"), inside)
                base = result
            else:
                found = _scripted(result, below, above)
                return _wrapped("mrow", *before, found) if before else found


def _scripted(base: Node, below: list[Node], above: list[Node]) -> Node:
    under, over = Row(tuple(below)), Row(tuple(above))
    if below and above:
        return _wrapped("msubsup", base, under, over)
    if below or above:
        return _wrapped("msub" if below else "msup", base, under if below else over)
    return base


def _letter(text: str) -> Node:
    """A name; marks above a letter become accents."""
    found = Node(f"<mi>{html.escape(text[0] if text[1:] and text[1] in ACCENTS else text)}</mi>", len(text))
    for mark in text[1:]:
        if mark in ACCENTS:
            found = Node(f'<mover accent="true">{found.xml}<mo stretchy="false">{ACCENTS[mark]}</mo></mover>', 1)
    return found


def _index(text: str) -> Node:
    text = text.lstrip("_") if text[0] == "_" else "".join(SUBSCRIPTS.get(c, c) for c in text)
    if len(text) > 3:
        return _node("mi", text)
    parts = [_node("mn" if c.isdigit() else "mo" if c in "+−′·" else "mi", c) for c in text]
    return _wrapped("mrow", *parts)


def _power(text: str) -> Node:
    return _wrapped("mrow", *(_node("mn" if c in "0123456789" else "mi" if c == "T" else "mo", c)
                              for c in (POWERS.get(c, c) for c in text)))  # fmt: skip


def _bare(row: Row) -> Row:
    """Without the brackets around all of it, which a fraction or a root replaces."""
    if len(row.nodes) == 1 and row.nodes[0].fence and row.nodes[0].fence[0] == "(":
        return row.nodes[0].fence[1]
    return row


# --- breaking -----------------------------------------------------------------------------------------------


def _pieces(row: Row) -> list[str]:
    """What a line may hold without a break: terms, and of a long one what its brackets hold."""
    pieces: list[str] = []
    current: list[Node] = []

    def finish() -> None:
        if current:
            pieces.append(Row(tuple(current)).xml)
            current.clear()

    for node in row.nodes:
        if node.operator in BREAKS:
            finish()
        if node.fence and node.length > LONG:
            opening, inside, closing = node.fence
            inner = _pieces(inside)
            current.append(_node("mo", opening, stretchy="false", form="prefix"))
            inner[0] = Row((*current, Node(inner[0], 0))).xml
            current.clear()
            last = Node(inner.pop(), 0)
            pieces += inner
            current += [last, _node("mo", closing, stretchy="false", form="postfix")]
        else:
            current.append(node)
        if node.operator in (",", ";"):
            finish()
    finish()
    return pieces
