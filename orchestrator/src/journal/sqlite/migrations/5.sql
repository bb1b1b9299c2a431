-- From version 4 to version 5: results that may be used again.
CREATE TABLE cache (
    key     TEXT NOT NULL PRIMARY KEY,         -- namespace and digest
    run     INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    expires INTEGER,                           -- none: as long as the run is remembered
    result  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_by_run ON cache (run);
