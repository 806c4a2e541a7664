module example.net/weather-board

go 1.22

require github.com/go-chi/chi/v5 v5.1.0
