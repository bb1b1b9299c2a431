-- From nothing to version 1.
CREATE TABLE meta (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    schema_version INTEGER NOT NULL,
    created        INTEGER NOT NULL            -- milliseconds since 1970, like every instant here
) STRICT;
INSERT INTO meta VALUES (1, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER));

CREATE TABLE runs (
    number  INTEGER PRIMARY KEY,               -- in the order of acceptance, never used twice
    id      TEXT NOT NULL UNIQUE,              -- 32 hex digits
    last    INTEGER NOT NULL,                  -- the number of its last event
    ended   INTEGER,                           -- when its run_ended was appended
    state   TEXT NOT NULL,                     -- these four are copies out of the summary, for lists
    name    TEXT NOT NULL,
    started INTEGER NOT NULL,
    summary TEXT NOT NULL
) STRICT;
CREATE INDEX runs_open ON runs (number) WHERE ended IS NULL;
CREATE INDEX runs_by_state ON runs (state, number);
CREATE INDEX runs_by_name ON runs (name, number);

CREATE TABLE events (
    position INTEGER PRIMARY KEY,              -- the place of its first event among all events, never used twice
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    first    INTEGER NOT NULL,                 -- the numbers of its events in the run
    last     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    body     TEXT NOT NULL,                    -- a JSON array of events
    UNIQUE (run, first)
) STRICT;

CREATE TABLE logs (
    run     INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    attempt TEXT NOT NULL,                     -- NODE.VISIT.ITEM.ATTEMPT
    body    TEXT NOT NULL,
    UNIQUE (run, attempt)
) STRICT;

CREATE TABLE keys (
    owner  TEXT NOT NULL,
    key    TEXT NOT NULL,
    digest BLOB NOT NULL,
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_run ON keys (run);

CREATE TABLE claims (
    name TEXT NOT NULL PRIMARY KEY,
    run  INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_run ON claims (run);

CREATE TABLE executors (
    name         TEXT NOT NULL PRIMARY KEY,
    registration TEXT NOT NULL,
    at           INTEGER NOT NULL
) STRICT;

CREATE TABLE forgotten (
    id       TEXT NOT NULL PRIMARY KEY,
    at       INTEGER NOT NULL,
    number   INTEGER NOT NULL,                 -- its number, and the newest event's place then: what was used up
    position INTEGER NOT NULL
) STRICT;
CREATE INDEX forgotten_by_number ON forgotten (number);
CREATE INDEX forgotten_by_position ON forgotten (position);
