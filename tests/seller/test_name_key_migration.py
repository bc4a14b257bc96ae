"""The migration to unique keys of look-alike names keeps the names of existing shops."""

from importlib.resources import files

from nextbuy.contracts.text import look_alike_key
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database
from tests.conftest import OpenDatabase

OLD = [
    "Café & Clay",
    "CAFÉ  &  CLAY",
    "Cafe\u0301 & Clay",
    "C\u200bafé\u00a0& Clay",
    "Straße",
    "STRASSE",
    "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
    "ΣΟΦΟΣ",
    "茶",
]


async def test_shops_keep_their_names_and_new_ones_cannot_look_like_them(open_database: OpenDatabase) -> None:
    database = await open_database("seller")
    await before_the_migration(database)

    await database.execute((files("nextbuy.seller.migrations") / "0003_shop_name_key.sql").read_text(encoding="utf-8"))

    rows = await database.fetch("SELECT name, name_key FROM shops ORDER BY submitted_at")
    assert [row["name"] for row in rows] == OLD
    assert len({row["name_key"] for row in rows}) == len(OLD)
    assert {look_alike_key(name) for name in OLD} <= {row["name_key"] for row in rows}
    assert rows[0]["name_key"] == "café & clay"


async def before_the_migration(database: Database) -> None:
    """Undo the migration, and insert shops that look the same."""
    await database.execute("ALTER TABLE shops DROP COLUMN name_key")
    await database.execute("CREATE UNIQUE INDEX shops_by_name ON shops (lower(name))")
    for age, name in enumerate(OLD):
        await database.execute(
            """
            INSERT INTO shops (id, seller_id, seller_name, seller_email, name, slug, bio, category, submitted_at)
            VALUES ($1::uuid, $1, '', '', $2, $1::uuid::text, '', '', now() + $3 * interval '1 second')
            """,
            new_id(),
            name,
            age,
        )
