CREATE TABLE IF NOT EXISTS things (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL CHECK (count >= 0),
    shelf TEXT NOT NULL
);
