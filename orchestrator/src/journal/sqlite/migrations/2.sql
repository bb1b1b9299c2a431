-- From version 1 to version 2: lists can be filtered by namespace, label and start.
ALTER TABLE runs ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
UPDATE runs
   SET namespace = coalesce(summary ->> '$.namespace', ''),
       labels    = coalesce(summary -> '$.labels', '{}')
 WHERE json_valid(summary);
CREATE INDEX runs_by_namespace ON runs (namespace, number);
CREATE INDEX runs_by_start ON runs (started);
