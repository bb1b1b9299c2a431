-- What artifacts have in them. Which run needs which is said in `artifacts`, as ever.
CREATE TABLE contents (
    digest  text PRIMARY KEY,                  -- its SHA-256, as whoever brought it has counted
    id      uuid NOT NULL,                     -- of this bringing: its pieces come before it has a row
    length  bigint NOT NULL,
    touched timestamptz NOT NULL               -- by the clock of this server: when it was last brought or asked after
) WITH (fillfactor = 70);

CREATE TABLE pieces (
    content uuid NOT NULL,
    at      bigint NOT NULL,                   -- so many bytes stand before it
    body    bytea NOT NULL,
    PRIMARY KEY (content, at)
);
-- What travels is often compressed already, and the server's own way is slow.
ALTER TABLE pieces ALTER COLUMN body SET STORAGE EXTERNAL;
