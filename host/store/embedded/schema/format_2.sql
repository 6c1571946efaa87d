-- What format 2 of the data directory created. Frozen: the test of upgrades starts from it.
-- The uncompacted commits, in the order in which they were acknowledged: first to seq, both included.
-- directory: the lists of the commits.
CREATE TABLE log (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, directory BLOB NOT NULL, commits BLOB NOT NULL);
-- The compacted lists that exist. seq: the last commit that the row contains.
CREATE TABLE lists (
    name TEXT PRIMARY KEY, revision INTEGER NOT NULL, seq INTEGER NOT NULL,
    brief BLOB NOT NULL, snapshot BLOB NOT NULL
) WITHOUT ROWID;
-- The same of lists that were deleted: paging through lists does not step over them.
CREATE TABLE gone (
    name TEXT PRIMARY KEY, revision INTEGER NOT NULL, seq INTEGER NOT NULL,
    brief BLOB NOT NULL, snapshot BLOB NOT NULL
) WITHOUT ROWID;
-- Runs of compacted revisions. last: the number of the last revision. The table has row numbers, so that a
-- compaction appends to it and touches old pages of the index only.
CREATE TABLE history (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, last INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (name, last)
);
-- The compacted receipts. holder and bytes: the account of the receipt, which the index holds too.
CREATE TABLE receipts (
    name TEXT NOT NULL, place INTEGER NOT NULL, time INTEGER NOT NULL, holder TEXT NOT NULL, bytes INTEGER NOT NULL,
    record BLOB NOT NULL, PRIMARY KEY (name, place)
) WITHOUT ROWID;
CREATE INDEX receipts_by_time ON receipts (time, holder, bytes);
CREATE TABLE timers (at INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (at, name)) WITHOUT ROWID;
-- One row: the last commit that was cut off the log. Numbers of commits are never given twice.
CREATE TABLE cut (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
INSERT INTO cut (id, seq) VALUES (1, 0);
-- Commits of lists that cannot be read, copied as evidence before the log is truncated.
CREATE TABLE quarantine (
    seq INTEGER PRIMARY KEY, name TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL, why TEXT NOT NULL
);
PRAGMA application_id = 0x686f746c;
PRAGMA user_version = 2;
