-- What operators want of an executor: the highest revision counts.
ALTER TABLE executors ADD COLUMN revision bigint NOT NULL DEFAULT 0;
-- JSON while it is to drain.
ALTER TABLE executors ADD COLUMN drain text;
