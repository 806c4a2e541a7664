// Package store keeps notes in a database.
package store

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// Note is a text with a title.
type Note struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// ErrMissing says that there is no such note.
var ErrMissing = errors.New("there is no such note")

// Store is a database of notes.
type Store struct{ db *sql.DB }

func init() {
	sql.Register("notes", &sqlite3.SQLiteDriver{
		ConnectHook: func(c *sqlite3.SQLiteConn) error {
			return c.RegisterFunc("words", func(text string) int { return len(strings.Fields(text)) }, true)
		},
	})
}

// Open opens the database of a directory and applies the migrations that it has not seen.
func Open(directory, migrations string) (*Store, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	db, err := sql.Open("notes", "file:"+filepath.Join(directory, "notes.db")+"?_foreign_keys=1")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	store := &Store{db}
	if err := store.migrate(migrations); err != nil {
		db.Close()
		return nil, err
	}
	return store, nil
}

func (s *Store) migrate(directory string) error {
	files, err := filepath.Glob(filepath.Join(directory, "*.sql"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there are no migrations in %s", directory)
	}
	sort.Strings(files)
	var version int
	if err := s.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	for number := version; number < len(files); number++ {
		text, err := os.ReadFile(files[number])
		if err != nil {
			return err
		}
		if _, err := s.db.Exec(string(text) + fmt.Sprintf(";PRAGMA user_version = %d", number+1)); err != nil {
			return fmt.Errorf("%s: %w", files[number], err)
		}
	}
	return nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Version is that of the SQLite library.
func (s *Store) Version() string {
	version, _, _ := sqlite3.Version()
	return version
}

// Stats counts notes and words.
func (s *Store) Stats() (count, words int, err error) {
	err = s.db.QueryRow("SELECT count(*), coalesce(sum(words(text)), 0) FROM notes").Scan(&count, &words)
	return
}

// Add keeps a note.
func (s *Store) Add(note Note) (Note, error) {
	result, err := s.db.Exec("INSERT INTO notes (title, text) VALUES (?, ?)", note.Title, note.Text)
	if err != nil {
		return note, err
	}
	note.ID, err = result.LastInsertId()
	return note, err
}

// Find returns one note.
func (s *Store) Find(id int64) (Note, error) {
	note := Note{ID: id}
	err := s.db.QueryRow("SELECT title, text FROM notes WHERE id = ?", id).Scan(&note.Title, &note.Text)
	if errors.Is(err, sql.ErrNoRows) {
		return note, ErrMissing
	}
	return note, err
}

// Search returns notes that have some text, by title.
func (s *Store) Search(text string) ([]Note, error) {
	rows, err := s.db.Query("SELECT id, title, text FROM notes WHERE title || ' ' || text LIKE '%' || ? || '%' ORDER BY title, id", text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	notes := []Note{}
	for rows.Next() {
		var note Note
		if err := rows.Scan(&note.ID, &note.Title, &note.Text); err != nil {
			return nil, err
		}
		notes = append(notes, note)
	}
	return notes, rows.Err()
}
