CREATE TABLE berth (name text PRIMARY KEY, depth numeric NOT NULL, since timestamptz NOT NULL);
INSERT INTO berth VALUES ('north', 9.5, '2024-01-15 06:00+01'), ('south', 4, '2024-07-15 06:00+02');
