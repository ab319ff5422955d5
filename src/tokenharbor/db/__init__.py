"""Floor 2: PostgreSQL: embedded or by URL, migrations, named queries."""
