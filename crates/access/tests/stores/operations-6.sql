-- `operations.db` as version 6 of the store wrote it: a token, a secret, an answer. The key is `ab`, 32 times.
PRAGMA application_id = 1416392560;
PRAGMA user_version = 6;
CREATE TABLE actors (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    address TEXT UNIQUE,
    created_at INTEGER NOT NULL,
    erased_at INTEGER
) STRICT;
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    shelf BLOB NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    person TEXT REFERENCES actors (id),
    rights TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX tokens_by_shelf ON tokens (shelf);
CREATE TABLE login_links (
    shelf BLOB NOT NULL,
    hash BLOB NOT NULL PRIMARY KEY,
    token TEXT NOT NULL REFERENCES tokens (id),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE sessions (
    shelf BLOB NOT NULL,
    hash BLOB NOT NULL PRIMARY KEY,
    token TEXT NOT NULL REFERENCES tokens (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE secrets (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT;
CREATE TABLE secret_versions (
    secret TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (secret, version)
) STRICT;
CREATE TABLE key_mark (mark BLOB NOT NULL) STRICT;
CREATE TABLE answers (
    actor TEXT NOT NULL,
    key BLOB NOT NULL,
    request BLOB NOT NULL,
    status INTEGER,
    content_type TEXT,
    body BLOB,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX answers_by_age ON answers (asked_at);
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    finished_at INTEGER,
    delivered INTEGER NOT NULL DEFAULT 0,
    recorded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_by_recipient ON outbox (recipient, finished_at);
CREATE INDEX outbox_by_age ON outbox (created_at);
CREATE INDEX outbox_unrecorded ON outbox (finished_at) WHERE NOT recorded;
CREATE TABLE outbox_position (position INTEGER NOT NULL) STRICT;
CREATE TABLE read_positions (reader TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL) STRICT;
CREATE TABLE hooks (
    id TEXT NOT NULL PRIMARY KEY,
    component TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    previous_until INTEGER,
    heard_at INTEGER,
    missed_at INTEGER
) STRICT;
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    host TEXT,
    event TEXT,
    delivery TEXT,
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    ref TEXT,
    head TEXT
) STRICT;
CREATE INDEX deliveries_by_hook ON deliveries (hook, number);
CREATE TABLE statuses (
    key TEXT NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    told_at INTEGER,
    told TEXT
) STRICT;
CREATE INDEX statuses_by_due ON statuses (target, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX statuses_by_position ON statuses (target, position);
CREATE TABLE status_targets (
    target TEXT NOT NULL PRIMARY KEY,
    paused_until INTEGER,
    problem TEXT NOT NULL,
    problem_since INTEGER NOT NULL
) STRICT;
INSERT INTO actors VALUES ('actor_01m84y4j1efvn94vn60s9nndwr', 'administrator', NULL, 1795462154286610, NULL);
INSERT INTO tokens VALUES ('token_01m84y4j1eedfsc3s6saj5j510', x'e7d1b6521c8c0806', x'e7d1b6521c8c08064d7d0a24f0c104022097c2505f847ccad833dca7705a1ea8', 'first token', 'actor_01m84y4j1efvn94vn60s9nndwr', '{"grants":[{"role":"admin","components":"all","environments":"all"}]}', 1795462154286867, NULL, 1795462156067308, NULL);
INSERT INTO tokens VALUES ('token_01m84y4ky2faq8wzcag7gjt6pt', x'46a7ba0ee7e51e6d', x'46a7ba0ee7e51e6d19280be57c37e1d2e977293711e315e8f18c912bd0b17a72', 'ci', NULL, '{"grants":[{"role":"viewer","components":"all","environments":"all"}]}', 1795462156226627, NULL, NULL, NULL);
INSERT INTO secrets VALUES ('secret_01m84y4ktaf89887a3bq5gn7wm', 'shop/registry', 1);
INSERT INTO secret_versions VALUES ('secret_01m84y4ktaf89887a3bq5gn7wm', 1, x'e3ec93c6a843247bde5feaa127280b4c865d20f40e584b67', x'133945ecdc9ad05265f0ff20e8704c1fec8f0a418192831f6c62f60d59', 1795462156106243);
INSERT INTO key_mark VALUES (x'076c7c173fd38af8757133ab7789328f7dc49c4177ddbfe3e2111d3becb3387d');
INSERT INTO answers VALUES ('user:actor_01m84y4j1efvn94vn60s9nndwr', x'ae542b3ae6ccd2fc5305937a3b695b06c96a84a8a3a7b57edf4201b403987f34', x'a588bb14ec0ba3454a8a3cc87e5d10c377f014bc479d6193be8e4bd1564cef53', 200, 'application/json', x'7b22736368656d61223a22646f6e652f31222c226d657373616765223a2274686520736563726574206073686f702f72656769737472796020697320736574202876657273696f6e203129227d', 1795462156083504);
INSERT INTO read_positions VALUES ('invariants', 9);
INSERT INTO hooks VALUES ('hook_u2aNh4nosV9WUpMq8OqVfg6LeXmG8tbkLzD4bIcyD4c', 'component_01m84y4ktaf89887a3bq5gn7wm', 1795462156106243, NULL, 1795462156106243, NULL);
INSERT INTO statuses VALUES ('k', 'component_01m84y4ktaf89887a3bq5gn7wm', 9, '{}', 1795462156106243, NULL, 1, NULL, 1795462156106243, '{}');
