-- From version 2 to version 3: which run needs which artifact.
CREATE TABLE artifacts (
    digest TEXT NOT NULL,                      -- SHA-256, 64 hex digits
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    PRIMARY KEY (digest, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_by_run ON artifacts (run);
