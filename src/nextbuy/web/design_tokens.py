"""The design tokens of the style sheet: sizes, spaces and colours, and the contrast of colours (WCAG 2.2, 1.4.3)."""

import re
from typing import Final

from msgspec import Struct

_ROOT: Final = re.compile(r":root \{(.*?)\}", re.DOTALL)
_TOKEN: Final = re.compile(r"--([a-z0-9-]+): ([^;]+);")
_TEXT_CONTRAST: Final = 4.5
_SHAPE_CONTRAST: Final = 3.0
"""The required contrast of shapes, such as the edge of a field (WCAG 2.2, 1.4.11)."""
_GROUNDS: Final = ("ground", "paper", "sunk")
_TEXTS: Final = (
    *((text, ground) for text in ("ink", "soft") for ground in _GROUNDS),
    *((text, ground) for text in ("accent", "accent-deep", "good", "wait", "bad") for ground in ("ground", "paper")),
    *((name, f"{name}-tint") for name in ("good", "wait", "bad")),
    ("ink", "tint"),
    ("on-accent", "accent"),
    ("on-accent", "accent-deep"),
)
"""The colours of texts, with what is behind each."""
_SHAPES: Final = (("field", "paper"), ("field", "ground"), ("accent", "ground"))


class Token(Struct, frozen=True):
    """A named value, in the light scheme and in the dark one."""

    name: str
    light: str
    dark: str


class Contrast(Struct, frozen=True):
    """The contrast between a colour and the one behind it, in both schemes, and the ratio that is required."""

    front: str
    back: str
    light: float
    dark: float
    required: float


def read_tokens(sheet: str) -> list[Token]:
    """Return the tokens of a style sheet, which has a block for all schemes and then one for the dark scheme."""
    blocks: list[dict[str, str]] = [dict(_TOKEN.findall(block)) for block in _ROOT.findall(sheet)]
    light, dark = blocks
    return [Token(name, value, dark.get(name, value)) for name, value in light.items()]


def contrasts(tokens: list[Token]) -> list[Contrast]:
    """Return the contrast of each pair of colours that stand on each other."""
    of = {token.name: token for token in tokens}
    pairs = [(*pair, _TEXT_CONTRAST) for pair in _TEXTS] + [(*pair, _SHAPE_CONTRAST) for pair in _SHAPES]
    return [
        Contrast(
            front, back, contrast(of[front].light, of[back].light), contrast(of[front].dark, of[back].dark), required
        )
        for front, back, required in pairs
    ]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours such as `#1f6f5c`, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    full = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)  # noqa: PLR2004
    channels = (int(full[start : start + 2], 16) / 255 for start in (0, 2, 4))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)  # noqa: PLR2004
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
