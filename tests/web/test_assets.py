"""Assets: a path changes with its content and with the content of its imports."""

import pytest

from nextbuy.web.assets import PREFIX, hash_assets

TEXTS = {
    "api.js": 'import { csrf } from "./session.js";\n',
    "session.js": "export const csrf = 1;\n",
    "pages/shop.js": 'import { get } from "../api.js";\n',
    "shop.css": "a { color: red }",
}


def test_path_contains_a_hash_and_imports_are_rewritten() -> None:
    assets = hash_assets(TEXTS)
    assert assets["shop.css"].path.startswith(f"{PREFIX}shop.")
    assert assets["pages/shop.js"].path.startswith(f"{PREFIX}pages/shop.")
    assert assets["pages/shop.js"].body == f'import {{ get }} from "{assets["api.js"].path}";\n'.encode()


def test_imports_include_indirect_ones_dependencies_first() -> None:
    assert hash_assets(TEXTS)["pages/shop.js"].imports == ("session.js", "api.js")


def test_change_moves_a_module_and_its_importers_only() -> None:
    before = hash_assets(TEXTS)
    after = hash_assets(TEXTS | {"session.js": "export const csrf = 2;\n"})
    moved = {name for name in TEXTS if before[name].path != after[name].path}
    assert moved == {"session.js", "api.js", "pages/shop.js"}


def test_missing_import_is_refused_with_its_importers() -> None:
    with pytest.raises(ValueError, match=r"pages/shop\.js > api\.js: api\.js does not exist"):
        hash_assets({"pages/shop.js": TEXTS["pages/shop.js"]})


def test_import_cycle_is_refused_with_its_modules() -> None:
    cycle = {"a.js": 'import { b } from "./b.js";', "b.js": 'import { a } from "./a.js";'}
    with pytest.raises(ValueError, match=r"a\.js > b\.js > a\.js: a\.js is part of an import cycle"):
        hash_assets(cycle)
