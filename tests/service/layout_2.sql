BEGIN TRANSACTION;
CREATE TABLE accounts (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	metered BOOLEAN NOT NULL, 
	granted INTEGER NOT NULL, 
	reserved INTEGER NOT NULL, 
	settled INTEGER NOT NULL, 
	created TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "accounts" VALUES(1,'lab',1,100,0,3,'2026-01-01T00:00:00.000000+00:00');
CREATE TABLE batches (
	id TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	created TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "batches" VALUES('b1',1,'first','2026-01-01T00:00:00.000000+00:00');
CREATE TABLE idempotency (
	account_id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	batch_id TEXT NOT NULL, 
	job_id TEXT, 
	created TEXT NOT NULL, 
	PRIMARY KEY (account_id, "key"), 
	FOREIGN KEY(account_id) REFERENCES accounts (id), 
	FOREIGN KEY(batch_id) REFERENCES batches (id)
);
CREATE TABLE jobs (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	batch_id TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	generator TEXT NOT NULL, 
	is_preview BOOLEAN NOT NULL, 
	params TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	seed INTEGER NOT NULL, 
	estimated INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	error TEXT, 
	samples INTEGER, 
	sha256 TEXT, 
	attempts INTEGER NOT NULL, 
	lease TEXT, 
	revision INTEGER NOT NULL, 
	created TEXT NOT NULL, 
	started TEXT, 
	finished TEXT, 
	PRIMARY KEY (seq), 
	UNIQUE (id), 
	FOREIGN KEY(batch_id) REFERENCES batches (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id)
);
INSERT INTO "jobs" VALUES(1,'j0','b1',1,'toy-v1.0.0',0,'{}','{}',1,3,'completed',NULL,3,'0000000000000000000000000000000000000000000000000000000000000000',1,NULL,2,'2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:01.000000+00:00');
INSERT INTO "jobs" VALUES(2,'j1','b1',1,'toy-v1.0.0',0,'{}','{}',1,3,'failed','It broke.',NULL,NULL,1,NULL,2,'2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:01.000000+00:00');
CREATE TABLE ledger (
	id INTEGER NOT NULL, 
	account_id INTEGER NOT NULL, 
	batch_id TEXT, 
	job_id TEXT, 
	granted INTEGER NOT NULL, 
	reserved INTEGER NOT NULL, 
	settled INTEGER NOT NULL, 
	created TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id), 
	UNIQUE (job_id)
);
INSERT INTO "ledger" VALUES(1,1,NULL,NULL,100,0,0,'2026-01-01T00:00:00.000000+00:00');
INSERT INTO "ledger" VALUES(2,1,'b1',NULL,0,6,0,'2026-01-01T00:00:00.000000+00:00');
INSERT INTO "ledger" VALUES(3,1,'b1','j0',0,-3,3,'2026-01-01T00:00:00.000000+00:00');
INSERT INTO "ledger" VALUES(4,1,'b1','j1',0,-3,0,'2026-01-01T00:00:00.000000+00:00');
CREATE TABLE tokens (
	name TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	account_id INTEGER NOT NULL, 
	created TEXT NOT NULL, 
	PRIMARY KEY (name), 
	FOREIGN KEY(account_id) REFERENCES accounts (id)
);
CREATE INDEX batches_of_account ON batches (account_id, created);
CREATE INDEX ix_ledger_account_id ON ledger (account_id);
CREATE INDEX jobs_queued ON jobs (is_preview DESC, seq) WHERE status = 'queued';
CREATE INDEX jobs_changed ON jobs (batch_id, revision);
CREATE INDEX jobs_of_account ON jobs (account_id, is_preview, seq);
CREATE INDEX jobs_running ON jobs (seq) WHERE status = 'running';
CREATE INDEX jobs_of_batch ON jobs (batch_id, seq);
COMMIT;
PRAGMA user_version = 2;
