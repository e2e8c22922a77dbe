-- phase: expand
ALTER TABLE entries ADD COLUMN mood TEXT;
CREATE INDEX entries_by_mood ON entries (mood);
