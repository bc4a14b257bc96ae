"""PostgreSQL: pool, transactions, migrations, leases and retention."""
