"""Alembic's environment for every service: each revision is a transaction of its own, in the
session that `migrations` opened; or, where only its SQL is asked for, text."""

from alembic import context

if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql", transactional_ddl=True, transaction_per_migration=True
    )
else:
    context.configure(
        connection=context.config.attributes["connection"],
        transactional_ddl=True,
        transaction_per_migration=True,
    )
with context.begin_transaction():
    context.run_migrations()
