-- From nothing to version 1. What it means is what orchestrator/src/journal/sqlite/migrations says; what differs is said here.
CREATE TABLE versions (
    version bigint PRIMARY KEY,                -- of the schema; the highest counts
    at      bigint NOT NULL                    -- milliseconds since 1970, like every instant here but a lease
);

-- The newest numbers that were given out. Whoever writes locks this row first: so numbers are given out in the order of
-- commit, without gaps, and of two writers one comes after the other.
CREATE TABLE newest (
    one   boolean PRIMARY KEY CHECK (one),
    run   bigint NOT NULL,
    event bigint NOT NULL,
    bytes bigint NOT NULL                      -- of the bodies of events and logs
) WITH (fillfactor = 10);
INSERT INTO newest VALUES (true, 0, 0, 0);

-- Who writes: one row for each orchestrator that has the store open.
CREATE TABLE writers (
    id     uuid PRIMARY KEY,                   -- of this opening
    place  text NOT NULL,                      -- where its orchestrator listens: two processes never have the same
    url    text NOT NULL,                      -- where other orchestrators reach it
    groups bigint NOT NULL,                    -- how many groups of it are committed: tells what became of a lost commit
    until  timestamptz NOT NULL                -- its lease, by the clock of this server
) WITH (fillfactor = 10);

CREATE TABLE runs (
    number    bigint PRIMARY KEY,
    id        uuid NOT NULL UNIQUE,
    last      bigint NOT NULL,                 -- of a run that has ended; where others stand is in `live`
    ended     bigint,
    state     text NOT NULL,
    name      text NOT NULL,
    started   bigint NOT NULL,
    namespace text NOT NULL,
    parent    uuid,
    rerun_of  uuid,
    undo_of   uuid,
    labels    text NOT NULL,
    summary   text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX runs_by_state ON runs (state, number);
CREATE INDEX runs_by_name ON runs (name, number);
CREATE INDEX runs_by_namespace ON runs (namespace, number);
CREATE INDEX runs_by_start ON runs (started);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_rerun_of ON runs (rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX runs_by_undo_of ON runs (undo_of) WHERE undo_of IS NOT NULL;
CREATE INDEX runs_by_end ON runs (ended, number) WHERE ended IS NOT NULL;

-- The runs that have not ended, narrow and with room in each page: the one row that every append changes is here, is
-- changed in place, and no index knows of it.
CREATE TABLE live (
    number bigint PRIMARY KEY,
    last   bigint NOT NULL,
    owner  uuid NOT NULL                       -- who wrote to it last: it is that writer's while its lease lasts
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX live_by_owner ON live (owner);

CREATE TABLE events (
    position bigint PRIMARY KEY,
    run      bigint NOT NULL,
    first    bigint NOT NULL,
    last     bigint NOT NULL,
    at       bigint NOT NULL,
    body     text NOT NULL,
    UNIQUE (run, first)
);

CREATE TABLE labels (
    run   bigint NOT NULL,
    key   text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (run, key)
);
CREATE INDEX labels_by_key ON labels (key, run);
CREATE INDEX labels_by_value ON labels (key, value, run);

CREATE TABLE logs (
    run     bigint NOT NULL,
    attempt text NOT NULL,
    body    text NOT NULL,
    PRIMARY KEY (run, attempt)
);

CREATE TABLE keys (
    owner  text NOT NULL,
    key    text NOT NULL,
    digest bytea NOT NULL,
    run    bigint NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX keys_by_run ON keys (run);

CREATE TABLE claims (
    name text PRIMARY KEY,
    run  bigint NOT NULL
);
CREATE INDEX claims_by_run ON claims (run);

CREATE TABLE artifacts (
    digest text NOT NULL,
    run    bigint NOT NULL,
    PRIMARY KEY (digest, run)
);
CREATE INDEX artifacts_by_run ON artifacts (run);

CREATE TABLE cache (
    key     text PRIMARY KEY,
    run     bigint NOT NULL,
    expires bigint,
    result  text NOT NULL
);
CREATE INDEX cache_by_run ON cache (run);

CREATE TABLE definitions (
    number    bigint PRIMARY KEY,
    namespace text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    revision  text NOT NULL,
    at        bigint NOT NULL,
    by        text NOT NULL,
    inputs    text NOT NULL,
    document  text NOT NULL,
    UNIQUE (namespace, name, revision)
);
CREATE INDEX definitions_by_name ON definitions (namespace, name, number);

CREATE TABLE definition_artifacts (
    digest     text NOT NULL,
    definition bigint NOT NULL,
    PRIMARY KEY (digest, definition)
);
CREATE INDEX definition_artifacts_by_definition ON definition_artifacts (definition);

CREATE TABLE executors (
    name         text COLLATE "C" PRIMARY KEY,
    registration text NOT NULL,
    at           bigint NOT NULL
);

CREATE TABLE forgotten (
    id     uuid PRIMARY KEY,
    at     bigint NOT NULL,
    number bigint NOT NULL
);
CREATE INDEX forgotten_by_time ON forgotten (at, number);

CREATE TABLE leftovers (
    number bigint PRIMARY KEY
);
