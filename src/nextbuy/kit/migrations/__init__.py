"""Migrations of the tables that `nextbuy.kit` needs in every service's database, such as outbox and inbox."""
