// Sorter moves letters that wait into the boxes of their destinations.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path"
	"strings"

	"example.net/mailroom/internal/spool"
)

type route struct{ pattern, box string }

func main() {
	file := flag.String("routes", "etc/routes.txt", "which address belongs into which box")
	flag.Parse()
	if err := run(*file); err != nil {
		fmt.Fprintln(os.Stderr, "sorter:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	routes, err := read(file)
	if err != nil {
		return err
	}
	letters, err := spool.FromEnvironment()
	if err != nil {
		return err
	}
	waiting, err := letters.List("waiting")
	if err != nil {
		return err
	}
	for _, letter := range waiting {
		box := "unknown"
		for _, route := range routes {
			if matched, _ := path.Match(route.pattern, letter.To); matched {
				box = route.box
				break
			}
		}
		if _, err := letters.Put(box, letter); err != nil {
			return err
		}
		fmt.Printf("%s -> %s\n", letter.To, box)
	}
	return letters.Clear("waiting")
}

func read(name string) ([]route, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var routes []route
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 2 && !strings.HasPrefix(fields[0], "#") {
			routes = append(routes, route{fields[0], fields[1]})
		}
	}
	return routes, nil
}
