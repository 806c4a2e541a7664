// Package board is the web site.
package board

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"example.net/weather-board/upstream"
	"github.com/go-chi/chi/v5"
)

// Board holds the last reading of each station.
type Board struct {
	mutex     sync.Mutex
	readings  map[string]upstream.Reading
	templates *template.Template
	client    *upstream.Client
}

// New reads the templates and makes the routes.
func New(directory string, client *upstream.Client) (http.Handler, error) {
	functions := template.FuncMap{"local": local}
	templates, err := template.New("").Funcs(functions).ParseGlob(filepath.Join(directory, "templates", "*.html"))
	if err != nil {
		return nil, err
	}
	b := &Board{readings: map[string]upstream.Reading{}, templates: templates, client: client}
	r := chi.NewRouter()
	r.Get("/", b.index)
	r.Get("/stations/{station}", b.station)
	r.Get("/healthz", b.health)
	r.Get("/api/readings", b.list)
	r.Post("/api/readings", b.add)
	r.Post("/api/refresh", b.refresh)
	files := http.FileServer(http.Dir(filepath.Join(directory, "static")))
	r.Handle("/static/*", http.StripPrefix("/static/", files))
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		b.render(w, "missing.html", nil)
	})
	return r, nil
}

// local shows a time in the time zone of a name, or in that of the server.
func local(at time.Time, zone string) (string, error) {
	location := time.Local
	if zone != "" {
		var err error
		if location, err = time.LoadLocation(zone); err != nil {
			return "", err
		}
	}
	return at.In(location).Format("2 Jan 2006 15:04 MST"), nil
}

func (b *Board) all() []upstream.Reading {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	all := make([]upstream.Reading, 0, len(b.readings))
	for _, reading := range b.readings {
		all = append(all, reading)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Station < all[j].Station })
	return all
}

func (b *Board) render(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := b.templates.ExecuteTemplate(w, name, data); err != nil {
		fmt.Fprintf(w, "<p class=error>%s", template.HTMLEscapeString(err.Error()))
	}
}

func (b *Board) index(w http.ResponseWriter, r *http.Request) {
	b.render(w, "index.html", map[string]any{"Readings": b.all(), "Zone": r.URL.Query().Get("zone")})
}

func (b *Board) station(w http.ResponseWriter, r *http.Request) {
	b.mutex.Lock()
	reading, found := b.readings[chi.URLParam(r, "station")]
	b.mutex.Unlock()
	if !found {
		w.WriteHeader(http.StatusNotFound)
		b.render(w, "missing.html", nil)
		return
	}
	b.render(w, "station.html", map[string]any{"Reading": reading, "Zone": r.URL.Query().Get("zone")})
}

func (b *Board) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"status": "ok", "stations": len(b.all()), "trust": b.client.Trusts()})
}

func (b *Board) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, b.all())
}

func (b *Board) add(w http.ResponseWriter, r *http.Request) {
	var reading upstream.Reading
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&reading); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	if reading.Station == "" || reading.Celsius < -90 || reading.Celsius > 60 {
		answer(w, http.StatusUnprocessableEntity, map[string]string{"error": "no such reading on this planet"})
		return
	}
	b.store(reading)
	answer(w, http.StatusCreated, reading)
}

func (b *Board) refresh(w http.ResponseWriter, _ *http.Request) {
	readings, err := b.client.Readings()
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": "upstream is not available"})
		return
	}
	b.store(readings...)
	answer(w, http.StatusOK, map[string]int{"fetched": len(readings)})
}

func (b *Board) store(readings ...upstream.Reading) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, reading := range readings {
		b.readings[reading.Station] = reading
	}
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
