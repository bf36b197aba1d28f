"""Prose that holds formulas: which words of a line are mathematics, by the signs that English does not have."""

from __future__ import annotations

import html
import re
import unicodedata

from derive.typeset.formulas import GREEK, MARKS, POWERS, SUBSCRIPTS, inline

_SCRIPTS = "".join((*SUBSCRIPTS, *POWERS))
_RAISED = {plain: sign for sign, plain in POWERS.items()}
_STRONG = re.compile(
    rf"[{GREEK}{MARKS}{_SCRIPTS}∫∂Σ√‖⟨⟩∞′½]|^[A-Za-z]_\w+(\^\w+)?$|^[a-zA-Z]\(|^\d+/\d+$|^d[A-Z](/d\w+)?$|^\w/\w$"
    r"|^\d+[a-z]$|^u\d$"
)
_GRAMMAR = re.compile(r"[\w.*()+/-]*(\b(xi|eta|zeta|delta|Delta)\b|[\w)]\*+[\w(]|^[a-z]+\([a-z]\d?\))[\w.*()+/-]*")
_JOINING = re.compile(r"^[\d.]+$|^[-=+−·±≤≥<>→×/…⊗]$|^\+=$")
_SPLIT = re.compile(r"^(['(\[]*)(.*?)([)\]',.;:]*)$")
_GREEK = {"xi": "ξ", "eta": "η", "zeta": "ζ", "delta": "δ", "Delta": "Δ"}


def expression(text: str) -> str:
    """An expression of the grammar, such as tanh(u1) - 4*h**3, in the notation."""
    text = re.sub(rf"\b({'|'.join(_GREEK)})\b", lambda found: _GREEK[found[1]], text)
    text = re.sub(r"\s*\*\*\s*(\d+)", lambda found: "".join(_RAISED[d] for d in found[1]), text)
    return text.replace("**", "^").replace("*", " ").replace("-", "−")


def prose(text: str) -> str:
    """Text with the formulas that it holds; **…** is bold."""
    parts = re.split(r"(?<!\S)\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)", text)  # and not what powers of a rate are written as
    return "".join(f"<strong>{_plain(p)}</strong>" if k % 2 else _plain(p) for k, p in enumerate(parts))


def _plain(text: str) -> str:
    words, found = re.split(r"(\s+)", text), []
    run: list[str] = []
    for k, word in enumerate([*words, None]):
        before, after = "".join(run).rstrip()[-1:], "".join(words[k + 2 : k + 3])
        matrix = word == "A" and (run or _mathematical(after))  # and not the article
        number = word == "a" and (before in ("+", "−", "=", "Σ") or after == "=")
        if word is not None and (matrix or number or _mathematical(word) or (run and word.isspace())):
            run.append(word)
            if not (word[-1] in ",;:." and _balance("".join(run)) <= 0):
                continue
            word = ""
        found.append(_run("".join(run)))
        run = []
        found.append(html.escape(word or ""))
    return "".join(found)


def _mathematical(word: str) -> bool:
    core = (_SPLIT.match(unicodedata.normalize("NFD", word)) or [""] * 4)[2].strip("|").lstrip("−±")
    single = len(core) == 1 and core.isalpha() and (core not in "aAI" or core != word)
    known = _STRONG.search(core) or _GRAMMAR.fullmatch(word.strip("',.;:")) or _JOINING.match(core or word)
    return bool(single or known) and "://" not in word


def _balance(text: str) -> int:
    return sum(text.count(opening) - text.count(closing) for opening, closing in ("()", "[]", "⟨⟩"))


def _run(text: str) -> str:
    """Words that may be a formula: what is punctuation, or no more than numbers, stays text."""
    before, after = "", ""
    while text and (text[-1] in "',;:. =" or (text[-1] in ")]" and _balance(text) < 0)):
        text, after = text[:-1], text[-1] + after
    while text and (text[0] in " '" or (text[0] in "([" and _balance(text) > 0)):
        text, before = text[1:], before + text[0]
    if not re.search(r"[^\W\d_]|\d/\d|[½∞]", text):
        return html.escape(before + text + after)
    text = expression(text) if any(map(_GRAMMAR.fullmatch, text.split())) else text
    return html.escape(before) + inline(text) + html.escape(after)
