// Package transactions reads what happened on an account.
package transactions

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Transaction is one line of an account.
type Transaction struct {
	When  time.Time
	Text  string
	Cents int64
}

// Read reads lines of time (RFC 3339), text and amount.
func Read(name string, input io.Reader, location *time.Location) ([]Transaction, error) {
	reader := csv.NewReader(input)
	reader.FieldsPerRecord = 3
	reader.Comment = '#'
	var all []Transaction
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := reader.FieldPos(0)
		when, err := time.Parse(time.RFC3339, record[0])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s is not a time", name, line, record[0])
		}
		amount, err := strconv.ParseFloat(record[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s is not an amount", name, line, record[2])
		}
		all = append(all, Transaction{when.In(location), record[1], int64(math.Round(amount * 100))})
	}
}
