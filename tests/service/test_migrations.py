"""A new database has the layout to which migrations bring an old one."""

import pytest
import sqlalchemy as sa
from postgres import postgres_server, postgres_url

from infinity_frames.engine.service.stores import migrations

__all__ = ["postgres_server", "postgres_url"]


def layout(connection):
    """The tables with their columns, keys and indexes, as the database itself describes them."""
    found = sa.inspect(connection)
    described = {}
    for table in sorted(found.get_table_names()):
        columns = [
            (one["name"], str(one["type"]), one["nullable"], one["default"])
            for one in found.get_columns(table)
        ]
        unique = sorted(tuple(one["column_names"]) for one in found.get_unique_constraints(table))
        foreign = sorted(
            (tuple(one["constrained_columns"]), one["referred_table"])
            for one in found.get_foreign_keys(table)
        )
        indexes = sorted(
            (
                one["name"] or "",
                one["column_names"],
                one.get("expressions", []),
                bool(one["unique"]),
                sorted((key, str(value)) for key, value in one.get("dialect_options", {}).items()),
            )
            for one in found.get_indexes(table)
        )
        primary = found.get_pk_constraint(table)["constrained_columns"]
        described[table] = (columns, primary, unique, foreign, indexes)
    return described


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request, tmp_path):
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path / name}" for name in ("new", "old")]
    new = sa.make_url(request.getfixturevalue("postgres_url")).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(new, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {new.database}_old")
    return [new, new.set(database=f"{new.database}_old")]


def test_a_new_database_is_made_as_an_old_one_is_migrated(urls):
    found = []
    for url, migrated in zip(urls, (False, True), strict=True):
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            if migrated:
                # The table of a database whose first migration is yet to come.
                connection.exec_driver_sql(
                    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
                    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
                )
            assert migrations.upgrade(connection, 0) is None
            version = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
            assert version.scalars().all() == [migrations.HEAD]
            found.append(layout(connection))
        engine.dispose()
    assert found[0] == found[1]
    assert {"accounts", "jobs", "ledger"} <= set(found[0])
