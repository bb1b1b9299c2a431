-- From version 3 to version 4: documents that are kept under a name.
CREATE TABLE definitions (
    number    INTEGER PRIMARY KEY,             -- in the order in which revisions became the latest
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    revision  TEXT NOT NULL,                   -- SHA-256 of what was sent, 64 hex digits
    at        INTEGER NOT NULL,
    by        TEXT NOT NULL,                   -- an identity
    inputs    TEXT NOT NULL,                   -- what it declares, as JSON
    document  TEXT NOT NULL,
    UNIQUE (namespace, name, revision)
) STRICT;
CREATE INDEX definitions_by_name ON definitions (namespace, name, number);

CREATE TABLE definition_artifacts (
    digest     TEXT NOT NULL,                  -- SHA-256, 64 hex digits
    definition INTEGER NOT NULL REFERENCES definitions (number) ON DELETE CASCADE,
    PRIMARY KEY (digest, definition)
) STRICT, WITHOUT ROWID;
CREATE INDEX definition_artifacts_by_definition ON definition_artifacts (definition);
