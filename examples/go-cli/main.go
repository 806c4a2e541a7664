// Ledger sorts the transactions of a bank's CSV file into categories and adds them up.
//
//	ledger [-rules FILE] [-format text|json] [-zone ZONE] [-month YYYY-MM] [FILE...]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"example.net/ledger/internal/report"
	"example.net/ledger/internal/rules"
	"example.net/ledger/internal/transactions"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(0)
		}
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

func run(arguments []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("ledger", flag.ContinueOnError)
	rulesFile := flags.String("rules", "config/rules.yml", "which words mean which category")
	format := flags.String("format", "text", "text or json")
	zone := flags.String("zone", "UTC", "the time zone that days are counted in")
	month := flags.String("month", "", "only this month, as 2024-03")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	location, err := time.LoadLocation(*zone)
	if err != nil {
		return err
	}
	book, err := rules.Load(*rulesFile)
	if err != nil {
		return err
	}
	all, err := read(flags.Args(), stdin, location)
	if err != nil {
		return err
	}
	summary := report.New(book, all, *month)
	switch *format {
	case "text":
		return summary.Text(stdout)
	case "json":
		return summary.JSON(stdout)
	}
	return fmt.Errorf("%s is not a format; there are text and json", *format)
}

func read(files []string, stdin io.Reader, location *time.Location) ([]transactions.Transaction, error) {
	if len(files) == 0 {
		return transactions.Read("standard input", stdin, location)
	}
	var all []transactions.Transaction
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		more, err := transactions.Read(name, file, location)
		file.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}
