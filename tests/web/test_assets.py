"""Styles and scripts: an address changes with what stands behind it, also behind what it imports."""

import pytest

from nextbuy.web.assets import PREFIX, addressed, slim

TEXTS = {
    "api.js": 'import { csrf } from "./session.js";\n',
    "session.js": "export const csrf = 1;\n",
    "pages/shop.js": 'import { get } from "../api.js";\n',
    "shop.css": "a { color: red }",
}


def test_what_is_for_a_reader_alone_is_not_sent() -> None:
    written = '/** Two\n * lines. */\nconst a = 1;\n\n// Why.\nif (a) {\n  b("/* no comment */"); // kept\n}\n'
    assert slim(written) == 'const a = 1;\nif (a) {\nb("/* no comment */"); // kept\n}\n'


def test_a_module_is_reached_at_an_address_of_its_content() -> None:
    assets = addressed(TEXTS)
    assert assets["shop.css"].path.startswith(f"{PREFIX}shop.")
    assert assets["pages/shop.js"].path.startswith(f"{PREFIX}pages/shop.")
    assert assets["pages/shop.js"].body == f'import {{ get }} from "{assets["api.js"].path}";\n'.encode()


def test_a_page_names_all_modules_that_it_needs_the_deepest_first() -> None:
    assert addressed(TEXTS)["pages/shop.js"].imports == ("session.js", "api.js")


def test_a_change_moves_all_that_import_it_and_nothing_else() -> None:
    before = addressed(TEXTS)
    after = addressed(TEXTS | {"session.js": "export const csrf = 2;\n"})
    moved = {name for name in TEXTS if before[name].path != after[name].path}
    assert moved == {"session.js", "api.js", "pages/shop.js"}


def test_an_import_of_nothing_is_refused_with_the_way_to_it() -> None:
    with pytest.raises(ValueError, match=r"pages/shop\.js > api\.js: api\.js is not there"):
        addressed({"pages/shop.js": TEXTS["pages/shop.js"]})


def test_a_circle_of_imports_is_refused_with_the_way_round() -> None:
    circle = {"a.js": 'import { b } from "./b.js";', "b.js": 'import { a } from "./a.js";'}
    with pytest.raises(ValueError, match=r"a\.js > b\.js > a\.js: a\.js imports itself"):
        addressed(circle)
