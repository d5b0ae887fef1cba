"""What the signs of formulas are called."""

from __future__ import annotations

from typing import Final

from voicegen.text.english.notation import OPERATORS

SIGNS: Final = OPERATORS | {
    "–": "to", "=": "equals", "<": "is less than", ">": "is greater than", "+": "plus", "-": "minus", "*": "times",
    "∗": "times", "⋆": "star", "•": "times", "∙": "times", "∘": "composed with", "!": "factorial", "′": "prime",
    "″": "double prime", "‴": "triple prime", "…": "dot dot dot", "⋯": "dot dot dot", "⋮": "dot dot dot",
    "⋱": "dot dot dot", "↦": "maps to", "∖": "minus", "⊤": "true", "⊥": "is perpendicular to", "∼": "is similar to",
    "≡": "is congruent to", "≃": "is approximately", "≜": "is defined as", "≔": "is defined as",
    "≪": "is much less than", "≫": "is much greater than", "≺": "precedes", "≻": "succeeds",
    "⊃": "is a superset of", "⊇": "is a superset of",
    "⊊": "is a proper subset of", "∄": "there does not exist", "∋": "contains", "ℓ": "l", "ℏ": "h bar",
    "ℜ": "the real part of", "ℑ": "the imaginary part of", "ℵ": "aleph", "△": "triangle", "▵": "triangle",
    "†": "dagger", "°": "degrees", "%": "percent", "&": "and", "#": "number", "∣": "divides", "∤": "does not divide",
    "⟹": "implies", "⟸": "is implied by", "⟺": "if and only if", "⟵": "from", "⟷": "to and from", "⇐": "is implied by",
    "⇌": "is in equilibrium with", "↛": "does not go to", "⊢": "proves", "⊨": "models", "∎": "", "□": "", "■": "",
    "✓": "", "\\": "minus", "(": "(", ")": ")", "[": "(", "]": ")", "⟨": "(", "⟩": ")", "{": "", "}": "",
    ",": ",", ";": ",", ".": ".", ":": ",", "?": "?", "'": "prime", "@": "at", "~": "", "\u00a0": "",
}  # fmt: skip
LARGE: Final = {
    "∑": "the sum", "∏": "the product", "∐": "the coproduct", "∫": "the integral", "∬": "the double integral",
    "∭": "the triple integral", "∮": "the contour integral", "⋃": "the union", "⋂": "the intersection",
    "⨁": "the direct sum", "⨂": "the tensor product", "⋁": "the disjunction", "⋀": "the conjunction",
}  # fmt: skip
FUNCTIONS: Final = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "sec": "secant", "csc": "cosecant", "cot": "cotangent",
    "arcsin": "arc sine", "arccos": "arc cosine", "arctan": "arc tangent", "sinh": "hyperbolic sine",
    "cosh": "hyperbolic cosine", "tanh": "hyperbolic tangent", "ln": "the natural log", "log": "log",
    "lg": "log", "exp": "the exponential", "lim": "the limit", "lim sup": "the limit superior",
    "lim inf": "the limit inferior", "max": "the maximum", "min": "the minimum", "sup": "the supremum",
    "inf": "the infimum", "det": "the determinant", "dim": "the dimension", "ker": "the kernel",
    "gcd": "the greatest common divisor", "lcm": "the least common multiple", "deg": "the degree",
    "Pr": "the probability", "arg": "the argument", "argmax": "the arg max", "argmin": "the arg min",
    "mod": "mod", "hom": "hom", "Var": "the variance", "Cov": "the covariance", "tr": "the trace",
}  # fmt: skip
ACCENTS: Final = {
    "\u0302": "hat", "^": "hat", "\u0303": "tilde", "~": "tilde", "\u0307": "dot", "\u0308": "double dot",
    "\u0304": "bar", "\u0305": "bar", "\u030a": "ring", "\u030c": "check", "\u0306": "breve", "\u0301": "acute",
    "\u0300": "grave",
}  # fmt: skip
VECTORS: Final = ("\u20d7", "→")
NUMBER_SETS: Final = {
    "R": "the real numbers", "N": "the natural numbers", "Z": "the integers", "Q": "the rational numbers",
    "C": "the complex numbers",
}  # fmt: skip
