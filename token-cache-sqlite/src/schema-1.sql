-- One row an entry. Types are enforced on what is written; what is read is judged by `row.rs`.
CREATE TABLE entry (
    key           TEXT PRIMARY KEY NOT NULL,
    version       BLOB NOT NULL,
    discard_after INTEGER,
    body          BLOB NOT NULL,
    checksum      BLOB NOT NULL
) STRICT;

-- Rows that could not be read when they were replaced, as they were.
CREATE TABLE damaged (
    set_aside_at  INTEGER NOT NULL,
    key           ANY,
    version       ANY,
    discard_after ANY,
    body          ANY,
    checksum      ANY
) STRICT;
