"""The store for SQLite, PostgreSQL and MySQL or MariaDB: operations over a connection, written once."""
