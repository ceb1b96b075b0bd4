PRAGMA application_id=1578573313;
PRAGMA user_version=2;
BEGIN TRANSACTION;
CREATE TABLE alerts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject INTEGER NOT NULL REFERENCES subjects,
        rule_version TEXT NOT NULL, title TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL,
        first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, raised_at INTEGER NOT NULL, count INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'acknowledged', 'closed')),
        verdict TEXT CHECK (verdict IN ('true_positive', 'false_positive', 'benign')),
        summary TEXT NOT NULL, author TEXT NOT NULL, attack TEXT NOT NULL,
        CHECK ((state = 'closed') = (verdict IS NOT NULL)));
INSERT INTO "alerts" VALUES(1,'c5dffaef3b6a05ac1af95e8afa4439f9',1,'v1','Too many failures','high','[["host.name", "srv-01"]]',1795435260000000,1795435260000000,1795435200000000,1,'acknowledged',NULL,'a summary','Somebody','["T1110"]');
INSERT INTO "alerts" VALUES(2,'a9739552bb49b26bd75cfb05b0ea7c2f',2,'v1','Too many failures','high','[["host.name", "srv-02"]]',1795435320000000,1795435320000000,1795435200000000,1,'closed','benign','a summary','Somebody','["T1110"]');
INSERT INTO "alerts" VALUES(3,'d09f44425e702efca83b400ac3708d9b',3,'v1','Too many failures','high','[["host.name", "srv-03"]]',1795435380000000,1795435380000000,1795435200000000,1,'new',NULL,'a summary','Somebody','["T1110"]');
CREATE TABLE aliases (id TEXT PRIMARY KEY, alert INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE evidence (
        subject INTEGER NOT NULL, event TEXT NOT NULL, alert INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (subject, event)) WITHOUT ROWID;
INSERT INTO "evidence" VALUES(1,'event-1',1,1795435260000000);
INSERT INTO "evidence" VALUES(2,'event-2',2,1795435320000000);
INSERT INTO "evidence" VALUES(3,'event-3',3,1795435380000000);
CREATE TABLE history (
        number INTEGER PRIMARY KEY, alert INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL, note TEXT NOT NULL);
INSERT INTO "history" VALUES(1,1,1795435200000000,'sentinel','raised','');
INSERT INTO "history" VALUES(2,2,1795435200000000,'sentinel','raised','');
INSERT INTO "history" VALUES(3,3,1795435200000000,'sentinel','raised','');
INSERT INTO "history" VALUES(4,1,1795435500000000,'anna','acknowledged','looking');
INSERT INTO "history" VALUES(5,1,1795435800000000,'bernd','acknowledged','mine now');
INSERT INTO "history" VALUES(6,2,1795436100000000,'bernd','closed as benign','pen test');
INSERT INTO "history" VALUES(7,3,1795436100000000,'anna','suppressed until 2026-12-23 12:15 UTC','disk is being replaced');
CREATE TABLE marks (
        subject INTEGER NOT NULL, day INTEGER NOT NULL, mark INTEGER NOT NULL,
        PRIMARY KEY (subject, day, mark)) WITHOUT ROWID;
CREATE TABLE pace (
        rule_id TEXT NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (rule_id, minute)) WITHOUT ROWID;
INSERT INTO "pace" VALUES('rule-1',29923920,3);
CREATE TABLE progress (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "progress" VALUES('judged',3);
CREATE TABLE rollups (
        subject INTEGER NOT NULL, digest TEXT NOT NULL, alert INTEGER NOT NULL,
        PRIMARY KEY (subject, digest)) WITHOUT ROWID;
CREATE TABLE subjects (
        number INTEGER PRIMARY KEY, rule_id TEXT NOT NULL, identity TEXT NOT NULL, UNIQUE (rule_id, identity));
INSERT INTO "subjects" VALUES(1,'rule-1','[["host.name", "srv-01"]]');
INSERT INTO "subjects" VALUES(2,'rule-1','[["host.name", "srv-02"]]');
INSERT INTO "subjects" VALUES(3,'rule-1','[["host.name", "srv-03"]]');
CREATE TABLE suppressions (
        number INTEGER PRIMARY KEY, subject INTEGER NOT NULL REFERENCES subjects, title TEXT NOT NULL,
        key TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,
        count INTEGER NOT NULL DEFAULT 0, ended INTEGER, ended_by TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT '');
INSERT INTO "suppressions" VALUES(1,3,'Too many failures','[["host.name", "srv-03"]]',1795436100000000,1798028100000000,'anna','disk is being replaced',0,NULL,'','');
CREATE INDEX alerts_by_subject ON alerts (subject, state);
CREATE INDEX alerts_by_time ON alerts (last_seen);
CREATE INDEX evidence_by_alert ON evidence (alert, at, event);
CREATE INDEX history_by_alert ON history (alert);
CREATE INDEX suppressions_by_subject ON suppressions (subject);
COMMIT;
