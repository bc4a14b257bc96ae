"""A refused name is found in each kind of file and each kind of name, and a name that only resembles one is not."""

from pathlib import Path

import pytest

from tools.names import problems

WORDS = {"told": "published", "give_back": "release", "Unreadable": "Unprocessable"}
REFUSED = {word: f"`{word}` is refused; use {instead}" for word, instead in WORDS.items()}


def found(root: Path, name: str, text: str) -> list[str]:
    """Check a tree of one file against `WORDS`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return problems(root, WORDS, {})


@pytest.mark.parametrize(
    ("text", "name", "word"),
    [
        pytest.param("def told(): ...", "told", "told", id="function"),
        pytest.param("class Told: ...", "Told", "told", id="class"),
        pytest.param("def ask(*, told_at): ...", "told_at", "told", id="argument"),
        pytest.param("ask(_told=1)", "_told", "told", id="keyword argument"),
        pytest.param("x.toldOnce()", "toldOnce", "told", id="attribute in camel case"),
        pytest.param("WAS_TOLD = 1", "WAS_TOLD", "told", id="constant"),
        pytest.param("import x as told", "told", "told", id="alias"),
        pytest.param("from x.told import y", "x.told", "told", id="module"),
        pytest.param("try: x\nexcept E as told: ...", "told", "told", id="exception"),
        pytest.param("match x:\n  case [*told]: ...", "told", "told", id="pattern"),
        pytest.param("def f():\n  global told", "told", "told", id="global"),
        pytest.param("f'{told}'", "told", "told", id="value in a message"),
        pytest.param("job('give-back-stock')", "give-back-stock", "give_back", id="stored name"),
        pytest.param("db.fetch('SELECT told FROM x')", "told", "told", id="column in SQL"),
        pytest.param("def give_back(): ...", "give_back", "give_back", id="two parts"),
        pytest.param("class Unreadable: ...", "Unreadable", "Unreadable", id="whole name"),
    ],
)
def test_refused_name_is_found_in_python(tmp_path: Path, text: str, name: str, word: str) -> None:
    assert [line.partition(": ")[2] for line in found(tmp_path, "src/nextbuy/shop.py", text)] == [
        f"{name}: {REFUSED[word]}"
    ]


@pytest.mark.parametrize(
    ("file", "text", "line", "name"),
    [
        pytest.param("src/web/shop.js", "// told\nconst told = 1;", 2, "told", id="variable"),
        pytest.param("src/web/shop.js", 'say("x", { isTold: 1 });', 1, "isTold", id="property"),
        pytest.param("src/web/shop.js", "say(`it was ${told}`);", 1, "told", id="value in a template"),
        pytest.param("src/web/shop.js", "say('told');", 1, "told", id="one-word string"),
        pytest.param("src/nextbuy/0001.sql", "-- told\nCREATE TABLE told_events ();", 2, "told_events", id="table"),
        pytest.param("src/nextbuy/0001.sql", "SELECT 'it''s', 'told';", 1, "told", id="stored value"),
        pytest.param("tests/told.py", "", 1, "told", id="file of tests"),
        pytest.param("tools/told.py", "", 1, "told", id="tool"),
        pytest.param("bench/told.sql", "", 1, "told", id="SQL file"),
    ],
)
def test_refused_name_is_found_in_other_files(tmp_path: Path, file: str, text: str, line: int, name: str) -> None:
    assert found(tmp_path, file, text) == [f"{file}:{line}: {name}: {REFUSED['told']}"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/a.py", "toldo = untolded = 1"),
        ("src/a.py", "def back_give(give, back): ..."),
        ("src/a.py", "unreadable = UnreadableFile = 'Unreadable'"),
        ("src/a.py", "# told\nraise ValueError('You are told once.')"),
        ("src/a.js", "/* told */ const x = /told/; say('You are told once.');"),
        ("src/a.sql", "-- told\nSELECT 'You are told once.';"),
    ],
)
def test_other_names_and_sentences_are_allowed(tmp_path: Path, file: str, text: str) -> None:
    assert found(tmp_path, file, text) == []


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("src/kit/idempotency.py", "def once(): ...", "once"),
        ("src/kit/idempotency.py", "class Caller:\n  async def once(self): ...", "once"),
        ("src/kit/idempotency.py", "def run(once): ...", "once"),
        ("src/kit/idempotency.py", "once = run", "once"),
        ("src/kit/idempotency.py", "self.once = run", "once"),
        ("src/web/words.js", "", "words.js"),
    ],
)
def test_old_name_is_refused_in_its_module(tmp_path: Path, file: str, text: str, name: str) -> None:
    places = {"src/kit/idempotency.py": {"once": "run_once"}, "src/web/": {"words.js": "format.js"}}
    for path in ("src/kit/idempotency.py", "src/web/app.py"):
        found(tmp_path, path, "")
    found(tmp_path, file, text)

    lines = [line.split(":") for line in problems(tmp_path, {}, places)]
    assert [(place, defined.strip()) for place, _, defined, _ in lines] == [(file, name)]


def test_old_name_is_allowed_elsewhere(tmp_path: Path) -> None:
    found(tmp_path, "src/kit/idempotency.py", "caller.once()")
    found(tmp_path, "src/kit/retry.py", "def once(): ...")

    assert problems(tmp_path, {}, {"src/kit/idempotency.py": {"once": "run_once"}}) == []


def test_place_that_moved_is_reported(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, {"src/gone.py": {"once": "run_once"}}) == ["names.toml: src/gone.py does not exist"]
