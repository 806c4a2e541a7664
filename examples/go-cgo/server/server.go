// Package server answers requests for notes.
package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"example.net/notes/store"
)

// New makes the routes.
func New(notes *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes", func(w http.ResponseWriter, r *http.Request) {
		found, err := notes.Search(r.URL.Query().Get("q"))
		reply(w, http.StatusOK, found, err)
	})
	mux.HandleFunc("POST /notes", func(w http.ResponseWriter, r *http.Request) {
		var note store.Note
		if err := json.NewDecoder(r.Body).Decode(&note); err != nil || note.Title == "" {
			reply(w, http.StatusBadRequest, map[string]string{"error": "a note has a title and a text"}, nil)
			return
		}
		kept, err := notes.Add(note)
		reply(w, http.StatusCreated, kept, err)
	})
	mux.HandleFunc("GET /notes/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": "this is no number"}, nil)
			return
		}
		note, err := notes.Find(id)
		reply(w, http.StatusOK, note, err)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		count, words, err := notes.Stats()
		reply(w, http.StatusOK, map[string]int{"notes": count, "words": words}, err)
	})
	return mux
}

func reply(w http.ResponseWriter, status int, value any, err error) {
	if err != nil {
		status, value = http.StatusInternalServerError, map[string]string{"error": err.Error()}
		if errors.Is(err, store.ErrMissing) {
			status = http.StatusNotFound
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
