// Notes keeps notes in a SQLite database and serves them as JSON.
package main

import (
	"log"
	"net/http"
	"os"

	"example.net/notes/server"
	"example.net/notes/store"
)

func main() {
	log.SetFlags(0)
	directory := setting("NOTES_DATA", "/data")
	notes, err := store.Open(directory, setting("NOTES_MIGRATIONS", "migrations"))
	if err != nil {
		log.Fatalln("notes:", err)
	}
	defer notes.Close()
	if len(os.Args) > 1 && os.Args[1] == "stats" {
		count, words, err := notes.Stats()
		if err != nil {
			log.Fatalln("notes:", err)
		}
		log.Printf("%d notes, %d words", count, words)
		return
	}
	address := ":" + setting("PORT", "8080")
	log.Println("notes on", address, "with SQLite", notes.Version())
	log.Fatalln(http.ListenAndServe(address, server.New(notes)))
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
