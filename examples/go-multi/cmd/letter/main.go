// Letter writes a letter, or shows those of a box, from the command line.
//
//	letter send ADDRESS <text
//	letter list BOX
package main

import (
	"fmt"
	"io"
	"os"

	"example.net/mailroom/internal/spool"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "letter:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("usage: letter send ADDRESS | letter list BOX")
	}
	letters, err := spool.FromEnvironment()
	if err != nil {
		return err
	}
	switch arguments[0] {
	case "send":
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		_, err = letters.Put("waiting", spool.Letter{To: arguments[1], Text: string(text)})
		return err
	case "list":
		list, err := letters.List(arguments[1])
		for _, letter := range list {
			fmt.Printf("%s: %s\n", letter.To, letter.Text)
		}
		return err
	}
	return fmt.Errorf("%s is nothing that can be done with a letter", arguments[0])
}
