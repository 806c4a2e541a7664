CREATE INDEX notes_title ON notes (title);
INSERT INTO notes (title, text) VALUES ('Welcome', 'Write whatever you like.');
