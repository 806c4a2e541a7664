// Weather-board shows the readings of weather stations, which it keeps in memory
// and, if there is an upstream, asks another board for.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.net/weather-board/board"
	"example.net/weather-board/upstream"
)

func main() {
	address := flag.String("listen", ":8080", "where to listen")
	directory := flag.String("directory", ".", "where templates and static files are")
	flag.Parse()
	log.SetFlags(0)

	client, err := upstream.New(os.Getenv("UPSTREAM"))
	if err != nil {
		log.Fatalln("upstream:", err)
	}
	handler, err := board.New(*directory, client)
	if err != nil {
		log.Fatalln("board:", err)
	}
	server := &http.Server{Addr: *address, Handler: handler, ReadHeaderTimeout: 5 * time.Second}

	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		log.Println("listening on", *address)
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatalln(err)
		}
	}()
	<-stopped
	log.Println("stopping")
	limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		log.Fatalln(err)
	}
}
