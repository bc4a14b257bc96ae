"""Word lists for ten thousand distinct products that moderation accepts."""

from typing import Final


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


GOODS: Final[dict[str, tuple[str, ...]]] = {
    "Kitchen": _list("skillet, teapot, cutting board, mixing bowl, pepper mill, saucepan, colander, pitcher, ladle"),
    "Garden": _list("planter, watering can, trowel, bird feeder, trellis, lantern, bench, wheelbarrow, rake"),
    "Books": _list("novel, atlas, cookbook, sketchbook, almanac, anthology, field guide, diary, dictionary"),
    "Toys": _list("puzzle, train set, kite, spinning top, doll house, marble run, hand puppet, building blocks"),
    "Clothing": _list("scarf, raincoat, cardigan, beanie, apron, waistcoat, pair of socks, pair of mittens, shirt"),
    "Sports": _list("yoga mat, jump rope, tennis racket, frisbee, climbing rope, paddle, skateboard, dumbbell"),
    "Home": _list("lamp, cushion, wall clock, mirror, rug, vase, coat rack, bookshelf, candle holder, blanket"),
    "Office": _list("notebook, desk organiser, fountain pen, stapler, letter tray, pencil case, whiteboard, stool"),
    "Music": _list("ukulele, tambourine, music stand, metronome, harmonica, kalimba, guitar strap, xylophone"),
    "Pets": _list("dog bed, cat tree, leash, feeding bowl, bird bath, aquarium, scratching post, carrier"),
    "Travel": _list("backpack, suitcase, travel pillow, toiletry bag, hip flask, luggage tag, money belt, umbrella"),
    "Crafts": _list("loom, knitting set, paint box, embroidery kit, bead box, pottery wheel, stamp set, sewing kit"),
}
"""The kinds of goods in each category."""

MATERIALS: Final = _list(
    "oak, walnut, bamboo, steel, copper, brass, ceramic, porcelain, linen, cotton, wool, leather, cork, glass, "
    "marble, rattan, felt, canvas, enamel, beech, birch, stoneware, silk, recycled paper"
)
LOOKS: Final = _list(
    "handmade, vintage, modern, rustic, foldable, painted, engraved, striped, compact, large, small, round, "
    "classic, nordic, woven, polished, sturdy, lightweight, colourful, plain, deep blue, forest green, sand "
    "coloured, ruby red, restored, stackable, portable, weatherproof"
)
MAKERS: Final = _list(
    "Aldertree, Brookfield, Calloway, Dunmore, Eastwick, Fernhill, Greystone, Hollis, Ironbridge, Juniper, "
    "Kestrel, Larkspur, Meadow, Northgate, Oakhurst, Pemberton, Quayside, Rosewater, Silverbirch, Thornbury"
)
SENTENCES: Final = (
    "Made in small batches by {maker}, a workshop of four people who have known the trade since childhood.",
    "The {material} is chosen by hand, and no two pieces look quite the same.",
    "It arrives in a plain box without plastic, ready to be given away.",
    "Wipe it with a damp cloth; it likes neither the dishwasher nor strong sunlight.",
    "This {noun} has been used at our own house every day for three years, and shows it only to its advantage.",
    "A {look} companion for anyone who would rather buy once than twice.",
    "Spare parts are kept for ten years, and repairs are done at cost.",
    "It weighs less than it looks, and fits in any drawer, shelf or bag.",
    "Customers write that the {noun} is larger than they thought, so please look at the measures twice.",
    "The finish is a natural oil that takes a week to dry, which is why there are never many of them.",
    "Return it within thirty days if the {material} is not to your taste.",
    "Goes well with everything else of the {maker} range.",
)
TAGS: Final = _list(
    "gift, handmade, new, sale, eco, limited, bestseller, local, repairable, for children, winter, summer"
)
NOT_THERE: Final = _list("zeppelin, trebuchet, astrolabe, gramophone, sextant, harpsichord")
"""Words that no product contains."""
