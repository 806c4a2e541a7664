// Package spool keeps letters in directories: one for those that wait, one for each destination.
package spool

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Letter is what is carried.
type Letter struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// Spool is a directory of letters.
type Spool struct{ directory string }

// Open makes what is missing.
func Open(directory string) (*Spool, error) {
	return &Spool{directory}, os.MkdirAll(filepath.Join(directory, "waiting"), 0o755)
}

// FromEnvironment opens the spool of MAILROOM_SPOOL.
func FromEnvironment() (*Spool, error) {
	if directory := os.Getenv("MAILROOM_SPOOL"); directory != "" {
		return Open(directory)
	}
	return Open("/var/spool/mailroom")
}

func (s *Spool) names(box string) []string {
	files, _ := filepath.Glob(filepath.Join(s.directory, box, "*.json"))
	sort.Strings(files)
	return files
}

// Put adds a letter to a box and returns its number there.
func (s *Spool) Put(box string, letter Letter) (int, error) {
	if letter.To == "" || strings.ContainsAny(box, "/.") {
		return 0, fmt.Errorf("%q is no address", letter.To)
	}
	directory := filepath.Join(s.directory, box)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return 0, err
	}
	number := len(s.names(box)) + 1
	text, err := json.Marshal(letter)
	if err != nil {
		return 0, err
	}
	return number, os.WriteFile(filepath.Join(directory, fmt.Sprintf("%06d.json", number)), append(text, '\n'), 0o644)
}

// List returns the letters of a box, in order.
func (s *Spool) List(box string) ([]Letter, error) {
	letters := []Letter{}
	for _, name := range s.names(box) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var letter Letter
		if err := json.Unmarshal(text, &letter); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		letters = append(letters, letter)
	}
	return letters, nil
}

// Clear empties a box.
func (s *Spool) Clear(box string) error {
	for _, name := range s.names(box) {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
