"""PostgreSQL: pool, transactions, migrations and retention."""
