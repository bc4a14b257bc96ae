"""A generated SVG picture for products without a photo; the same product always gets the same picture.

The category selects the palette, a word of the title the subject ("mug", "kettle"), and a hash the colours, proportions
and details. The SVG refers to no other resource. Each drawing stands on the origin.
"""

from collections.abc import Callable
from hashlib import blake2b
from math import tau
from typing import Final, NamedTuple
from unicodedata import category as kind_of
from xml.sax.saxutils import escape

MAX_TITLE: Final = 70  # characters of the title in the picture


class _Pen(NamedTuple):
    """The variation of one drawing: a hash and three colours."""

    digest: bytes
    body: str
    accent: str
    detail: str

    def pick(self, index: int, low: int, high: int) -> int:
        """Return a number from `low` to `high`, chosen by the byte of the hash at `index`."""
        return low + self.digest[index] * (high - low + 1) // 256

    def solid(self, outline: str, fill: str, inside: str = "") -> str:
        """Fill an outline, lit on the left and shaded on the right; `inside` is clipped to it."""
        clip = f"c{self.digest.hex()[:8]}"
        return (
            f'<clipPath id="{clip}"><path d="{outline}"/></clipPath><g clip-path="url(#{clip})">'
            f"{_area(outline, fill)}{inside}{_area('M32-310H200V90H22C50-10 50-150 32-310Z', '#0002')}"
            f"{_area('M-200-310H-42C-60-180-60-20-40 90H-200Z', '#fff2')}</g>"
        )


def _area(path: str, fill: str, attributes: str = "") -> str:
    return f'<path d="{path}" fill="{fill}"{attributes}/>'


def _line(path: str, colour: str, width: float, attributes: str = "") -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"{attributes}/>'


def _oval(x: int, y: int, width: int, height: int, fill: str) -> str:
    """Draw an ellipse around a point; `width` and `height` are its radii."""
    return f'<ellipse cx="{x}" cy="{y}" rx="{width}" ry="{height}" fill="{fill}"/>'


def _ring(radius: int, colour: str, width: int, parts: int = 0, part: float = 0) -> str:
    """Draw a ring around a wheel's centre, whole or in `parts` dashes of length `part`; a wide ring makes spokes."""
    dashes = f' stroke-dasharray="{part:g} {tau * radius / parts - part:.3f}"' if parts else ""
    return f'<circle cy="-106" r="{radius}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>'


def _leaf(x: int, y: int, size: float, angle: float, fill: str) -> str:
    """Draw a leaf that starts at a point and points up, rotated by `angle` degrees; its midrib is a slit."""
    place = f' transform="translate({x} {y})rotate({angle:.0f})scale({size:.2f})" fill-rule="evenodd"'
    return _area("M0 0C-34-30-34-70 0-100 34-70 34-30 0 0ZM-1-6 0-84 2-6Z", fill, place)


def _steam(y: int) -> str:
    return "".join(_line(f"M{x} {y}q-12-17 0-34t0-34", "#fffa", 6) for x in (-26, 0, 26))


def _vase(pen: _Pen) -> str:
    """Draw a vase with running glaze, often with a twig."""
    neck, wide, drip = pen.pick(8, 18, 34), pen.pick(9, 62, 94), pen.pick(11, -160, -115)
    left = f"M{-neck}-192C{-neck}-150 {-wide}-145 {-wide}-88 {-wide}-42-40-25-40 0"
    right = f"H40C40-25 {wide}-42 {wide}-88 {wide}-145 {neck}-150 {neck}-192Z"
    glaze = _area(f"M-120-220H120V{drip}q-20 26-40 4t-40 12t-40-10t-40 14t-40-8t-40-6Z", pen.accent)
    twig = _line("M0-180Q-4-225 6-262", pen.detail, 4) if pen.pick(13, 0, 2) else ""
    twig += "".join(_leaf(n + 1, -200 - 15 * n, 0.4, -50 if n % 2 else 58, pen.detail) for n in range(4) if twig)
    return twig + pen.solid(left + right, pen.body, glaze) + _oval(0, -192, neck, 6, pen.detail)


def _mug(pen: _Pen) -> str:
    """Draw a speckled mug, dipped in a second glaze."""
    wide, dip = pen.pick(9, 68, 82), pen.pick(8, -140, -70)
    outline = f"M{-wide}-170H{wide}L{wide - 4}-40Q{wide - 6} 0 {wide - 40} 0H{40 - wide}Q{6 - wide} 0 {4 - wide}-40Z"
    dots = "".join(f"M{pen.pick(n, -80, 80)} {pen.pick(n + 1, -160, -10)}h.1" for n in range(14, 30))
    glaze = _area(f"M-120 {dip}q40-14 80 0t80 0t80 0V20H-120Z", pen.accent) + _line(dots, f"{pen.detail}77", 5)
    handle = _line(f"M{wide - 4}-138C{wide + 62}-150 {wide + 62}-42 {wide - 8}-48", pen.body, 18)
    return _steam(-190) + handle + pen.solid(outline, pen.body, glaze) + _oval(0, -170, wide, 11, pen.detail)


def _bowl(pen: _Pen) -> str:
    """Draw a wide bowl with painted lines."""
    wide, dip, gap = pen.pick(8, 104, 122), pen.pick(9, 14, 34), pen.pick(11, 20, 40)
    outline = f"M{-wide}-120C{6 - wide}-48-50-18-40 0H40C50-18 {wide - 6}-48 {wide}-120Z"
    lines = "".join(f"M-130 {y}q65 {dip} 130 {dip}t130-{dip}" for y in range(-98, -44, gap))
    inside = _oval(0, -120, wide, 20, pen.accent) + _oval(0, -117, wide - 12, 13, pen.detail)
    return pen.solid(outline, pen.body, _line(lines, pen.accent, dip // 3)) + inside


def _wheel(pen: _Pen) -> str:
    spokes = _ring(45, "#fff6", 90) + _ring(46, pen.detail, 90, pen.pick(8, 14, 26), 1.2)
    return spokes + _ring(90, pen.accent, 7) + _ring(101, pen.body, 13) + _oval(0, -106, 16, 16, pen.body)


def _chainring(pen: _Pen) -> str:
    """Draw a chainring with its chain."""
    teeth = _ring(84, pen.body, 24) + _ring(94, pen.body, 16, 44, 7)
    arms = _ring(38, pen.body, 76, pen.pick(8, 4, 6), pen.pick(9, 14, 26)) + _ring(12, pen.accent, 24)
    course = "M230-210H0C-78-208-103-158-103-106S-78-4 0-2H230"
    return teeth + arms + _line(course, pen.detail, 7) + _line(course, pen.accent, 12, ' stroke-dasharray=".1 17"')


def _book(pen: _Pen) -> str:
    """Draw a bound book with one of four emblems on its cover."""
    _, body, accent, detail = pen
    emblem = (
        _oval(12, -134, pen.pick(9, 24, 34), pen.pick(9, 24, 34), accent) + _oval(25, -142, 26, 26, body),
        _oval(12, -130, 30, 30, accent) + _area("M-50-114q31-20 62 0t62 0V-86H-50Z", detail),
        "".join(_leaf(12, -96, 0.55, angle, accent) for angle in (-52, 0, 52)),
        _area("M12-174l30 40-30 40-30-40Z", accent) + _oval(12, -134, 11, 11, detail),
    )[pen.pick(8, 0, 3)]
    lines = _line("M-46-204H70V-30H-46Z", accent, 3) + _line("M-26-66H50M-10-50H34", accent, 5)
    spine = _area("M-82-220H-58V0H-82Z", "#0004") + _line("M-82-194H-58M-82-42H-58", accent, 4)
    pages = _area("M-76-20H84V0H-72Q-82 0-82-10Z", body) + _area("M-70-18H80V-6H-66Z", "#fff8ea")
    return pages + pen.solid("M-82-210Q-82-218-74-218H76Q84-218 84-210V-16H-82Z", body, lines + emblem + spine)


def _plant(pen: _Pen) -> str:
    last, spread, size = pen.pick(8, 4, 7), pen.pick(9, 52, 78), pen.pick(10, 125, 160) / 100
    fan = sorted((spread * (2 * n / last - 1) for n in range(last + 1)), key=abs, reverse=True)
    leaves = "".join(
        _leaf(0, -76, size - abs(a) / 160, a, pen.detail if n & 2 else pen.body) for n, a in enumerate(fan)
    )
    outline = "M-64-92H64V-68H55L42-6Q40 0 34 0H-34Q-40 0-42-6L-55-68H-64Z"
    return leaves + pen.solid(outline, pen.accent, _area("M-80-68H80V-61H-80Z", "#0003"))


def _sprig(pen: _Pen) -> str:
    """Draw a stem with leaves on both sides and a flower, or one leaf, at its end."""
    pairs, petals = pen.pick(8, 3, 4), pen.pick(9, 5, 7)
    drawn = _line("M0 0V-200", pen.detail, 6)
    for n in range(pairs):
        y, size, angle = -14 - 150 * n // pairs, 0.95 - n * 0.1, 60 - 5 * n
        drawn += _leaf(0, y, size, angle, pen.body) + _leaf(0, y - 12, size, -angle, pen.detail)
    if pen.pick(10, 0, 2) == 0:
        return drawn + _leaf(0, -180, 0.7, 0, pen.body)
    flower = "".join(_leaf(0, -206, 0.52, 360 * n / petals, pen.accent) for n in range(petals))
    return drawn + flower + _oval(0, -206, 12, 12, "#fff3c4")


def _cup(pen: _Pen) -> str:
    wide = pen.pick(8, 70, 84)
    saucer = _oval(0, -8, 124, 15, pen.detail) + _oval(0, -12, 96, 9, f"{pen.body}44")
    handle = _line(f"M{wide - 4}-114C{wide + 58}-124 {wide + 50}-50 {wide - 16}-52", pen.accent, 14)
    outline = f"M{-wide}-138H{wide}C{wide}-60 {wide - 40}-10 30-10H-30C{40 - wide}-10 {-wide}-60 {-wide}-138Z"
    stripe = _line(f"M-100 {pen.pick(9, -112, -72)}H100", pen.detail, pen.pick(10, 5, 18))
    coffee = _oval(0, -138, wide, 15, pen.accent) + _oval(0, -136, wide - 9, 10, pen.body)
    return _steam(-164) + saucer + handle + pen.solid(outline, pen.accent, stripe) + coffee


def _kettle(pen: _Pen) -> str:
    wide = pen.pick(8, 68, 82)
    spout = _line(f"M{wide}-42C{wide + 70}-48 {wide + 12}-150 {wide + 62}-160", pen.body, 13)
    handle = _line(f"M{8 - wide}-124C{-wide - 84}-160 {-wide - 84}-34 {-wide}-34", pen.detail, 14)
    outline = f"M-50-144H50L{wide}-14Q{wide} 0 {wide - 14} 0H{14 - wide}Q{-wide} 0 {-wide}-14Z"
    band = _area(f"M-110 {pen.pick(9, -70, -30)}H110V20H-110Z", pen.accent)
    lid = _area("M-54-142Q-50-172 0-172T54-142Z", pen.detail) + _oval(0, -182, 13, 13, pen.body)
    return spout + handle + pen.solid(outline, pen.body, band) + lid


def _lamp(pen: _Pen) -> str:
    elbow = pen.pick(8, -80, -60)
    arm = _line(f"M-44-8L{elbow}-102L48-206", pen.body, 9) + _oval(elbow, -102, 10, 10, pen.detail)
    light = _area("M-6-152L-44-4H136L98-152Z", f"{pen.accent}66") + _oval(46, -152, 22, 18, pen.accent)
    return light + arm + pen.solid("M26-214H66L104-150H-12Z", pen.detail) + _area("M-96 0Q-92-18-44-18T8 0Z", pen.body)


def _parcel(pen: _Pen) -> str:
    top, band = pen.pick(8, -180, -150), pen.pick(9, -24, 20)
    ribbon = _line(f"M{band}-220V20M-110 {top // 2}H110", pen.accent, 18)
    bow = _line(f"M{band} {top}c-60-60-76 0 0 0c76 0 60-60 0 0Z", pen.detail, 8)
    return pen.solid(f"M-94 {top}H94V0H-94Z", pen.body, ribbon) + bow


# By category: palettes (two background colours, three of the subject), and drawings by the title words that choose one.
_CATEGORIES: Final[dict[str, tuple[str, dict[Callable[[_Pen], str], str]]]] = {
    "ceramics": (
        "f8ede2 e0b995 b5623c f6e7d4 6f4a35, eaf1f2 a9c5cb 3f6f86 f2efe6 27475a, f3efe3 cfc39d 748661 f1e5c8 4c5a41",
        {_mug: "mug cup cups jar", _bowl: "bowl bowls plate plates dish", _kettle: "teapot", _vase: "vase planter"},
    ),
    "cycling": (
        "e8f2f6 96bed2 1f3b4d e4572e 6f8794, fdf2de efc078 35322f c8452d 8c7a66, e9f3eb 9cc6ab 23403a f0a830 6d8a80",
        {_wheel: "wheel tyre pump mudguards puncture brake", _chainring: "chain chainring pedals mechanic"},
    ),
    "books": (
        "f6eddd d9b685 7a2e2e f0d9a8 c08552, e9edf5 a3b3d6 2c3e6b e9c46a 7c90c0, ebf2e8 aac6a3 2f5d50 f2e3bd 79a58c",
        {_book: ""},
    ),
    "garden": (
        "f0f6e6 b5d394 3f7d44 c8693f 6fa557, e6f3ef 94c7b6 2b6a5b e0a458 4f9a80, fbf3dc e3ca83 5c7a35 b4552d 8ba653",
        {_plant: "pot tree plant planter monstera potting", _sprig: "lavender herb seed seeds bulbs meadow"},
    ),
    "kitchen": (
        "f8efe5 d8b28b 3f2a20 e9a65b 8a5a3c, edf1ee adc2b7 2e4a42 f4efe4 b9783f, fbeee3 e6aa8c 4a2c2a f7e3cf c2593a",
        {_cup: "cup cups mug dripper filters", _kettle: "kettle cezve jug press"},
    ),
    "electronics": ("eef0fa a9b1e0 2d3161 ffd166 6a74c9, e8f4f6 93c6cf 17424d ffcf70 3f8c9b", {_lamp: ""}),
    "": ("f5efe6 d3bd9f b98a5a f4e6d0 7d5836, eef0f3 b3bfcc 8795a6 f3d9a4 4b596b", {_parcel: ""}),
}


def draw(product_id: str, title: str, category: str) -> bytes:
    """Return the picture of a product as SVG (UTF-8), smaller than 4 KB; the same arguments give the same bytes."""
    product_id, title, category = _plain(product_id), _plain(title), _plain(category)
    digest = blake2b(f"{product_id}\0{title}\0{category}".encode(), digest_size=32).digest()
    palettes, drawings = _CATEGORIES.get(category.casefold(), _CATEGORIES[""])
    choices = palettes.split(", ")
    light, dark, body, accent, detail = (f"#{colour}" for colour in choices[digest[4] % len(choices)].split())
    pen, drawing = _Pen(digest, body, accent, detail), _choose(drawings, title, digest[3])
    label = title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"
    name, ground = escape(label or "Product", {'"': "&quot;"}), f"g{digest.hex()[:8]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img" aria-label="{name}">'
        f'<title>{name}</title><linearGradient id="{ground}" x2="{pen.pick(5, 20, 80) / 100}" y2="1">'
        f'<stop stop-color="{light}"/><stop offset="1" stop-color="{dark}"/></linearGradient>'
        f'<path d="M0 0H400V400H0Z" fill="url(#{ground})"/>'
        f"{_oval(200, 314, 130, 14, '#0002')}{_oval(pen.pick(6, 150, 250), pen.pick(9, 160, 210), 140, 140, '#fff6')}"
        f'<g transform="translate(200 312)scale({pen.pick(7, 94, 106) / 100})">{drawing(pen)}</g></svg>'
    ).encode()


def _choose(drawings: dict[Callable[[_Pen], str], str], title: str, choice: int) -> Callable[[_Pen], str]:
    """Return the drawing selected by the first known word of the title, or by `choice`."""
    by_word = {word: drawing for drawing, words in drawings.items() for word in words.split()}
    words = "".join(char if char.isalpha() else " " for char in title.casefold()).split()
    return next((by_word[word] for word in words if word in by_word), tuple(drawings)[choice % len(drawings)])


def _plain(text: str) -> str:
    """Collapse spaces, and remove what XML cannot contain: controls, surrogates, U+FFFE and U+FFFF."""
    allowed = (c for c in text if c.isspace() or (kind_of(c) not in {"Cc", "Cs"} and c not in "\ufffe\uffff"))
    return " ".join("".join(allowed).split())
