-- From version 5 to version 6.
-- Labels have a table, so that a list by label reads only what it shows. A run knows the runs that it needs, ended runs are found
-- by their end, and what is left of forgotten ones goes in bites.
ALTER TABLE runs ADD COLUMN parent TEXT;       -- the run of which it is a part
ALTER TABLE runs ADD COLUMN rerun_of TEXT;     -- the run that it repeats
ALTER TABLE runs ADD COLUMN undo_of TEXT;      -- the run that it takes back
UPDATE runs
   SET parent   = summary ->> '$.parent',
       rerun_of = summary ->> '$.rerun_of',
       undo_of  = summary ->> '$.undo_of'
 WHERE json_valid(summary);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_rerun_of ON runs (rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX runs_by_undo_of ON runs (undo_of) WHERE undo_of IS NOT NULL;
CREATE INDEX runs_by_end ON runs (ended) WHERE ended IS NOT NULL;
CREATE TABLE leftovers (
    number INTEGER PRIMARY KEY                 -- of a run that was forgotten, whose events and logs are still to go
) STRICT;
CREATE TABLE labels (
    run   INTEGER NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
INSERT INTO labels
SELECT number, key, value FROM runs, json_each(iif(json_valid(labels), labels, '{}')) WHERE json_each.type = 'text';
CREATE INDEX labels_by_key ON labels (key, run);
CREATE INDEX labels_by_value ON labels (key, value, run);
