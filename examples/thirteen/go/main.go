// Tides tells how high the water is, by a cosine.
package main

import (
	"encoding/json"
	"log"
	"math"
	"net/http"
	"time"
)

func height(at time.Time) float64 {
	const period = 12.42 * 3600
	return math.Round(100*(2+1.8*math.Cos(2*math.Pi*float64(at.Unix())/period))) / 100
}

func main() {
	http.HandleFunc("/height", func(w http.ResponseWriter, r *http.Request) {
		zone, err := time.LoadLocation(r.URL.Query().Get("zone"))
		if err != nil {
			http.Error(w, "no such zone", http.StatusBadRequest)
			return
		}
		at, err := time.ParseInLocation("2006-01-02T15:04", r.URL.Query().Get("at"), zone)
		if err != nil {
			http.Error(w, "at=2024-01-15T06:00, please", http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"at": at, "metres": height(at)})
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
