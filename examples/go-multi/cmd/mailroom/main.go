// Mailroom takes letters by HTTP and has them sorted by another program.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"example.net/mailroom/internal/spool"
)

func main() {
	log.SetFlags(0)
	letters, err := spool.FromEnvironment()
	if err != nil {
		log.Fatalln("mailroom:", err)
	}
	http.HandleFunc("POST /letters", func(w http.ResponseWriter, r *http.Request) {
		var letter spool.Letter
		if err := json.NewDecoder(r.Body).Decode(&letter); err != nil {
			http.Error(w, "this is no letter", http.StatusBadRequest)
			return
		}
		number, err := letters.Put("waiting", letter)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "{\"waiting\":%d}\n", number)
	})
	http.HandleFunc("POST /sort", func(w http.ResponseWriter, _ *http.Request) {
		output, err := exec.Command(beside("sorter"), "-routes", routes()).CombinedOutput()
		if err != nil {
			http.Error(w, fmt.Sprintf("%v: %s", err, output), http.StatusInternalServerError)
			return
		}
		w.Write(output)
	})
	http.HandleFunc("GET /boxes/{box}", func(w http.ResponseWriter, r *http.Request) {
		list, err := letters.List(r.PathValue("box"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(list)
	})
	log.Println("the mailroom is open")
	log.Fatalln(http.ListenAndServe(":8025", nil))
}

// beside is the path of a program in the directory of this one.
func beside(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(self), name)
}

func routes() string {
	if file := os.Getenv("MAILROOM_ROUTES"); file != "" {
		return file
	}
	return "etc/routes.txt"
}
