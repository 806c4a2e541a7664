// Package report adds up transactions by month and category.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"text/tabwriter"

	"example.net/ledger/internal/rules"
	"example.net/ledger/internal/transactions"
)

// Line is the sum of a category in a month.
type Line struct {
	Month    string `json:"month"`
	Category string `json:"category"`
	Cents    int64  `json:"cents"`
	Count    int    `json:"count"`
}

// Summary is what a report shows.
type Summary struct {
	Currency string `json:"currency"`
	Lines    []Line `json:"lines"`
	Total    int64  `json:"total"`
}

// New adds up the transactions of a month, or of all months.
func New(book *rules.Book, all []transactions.Transaction, month string) *Summary {
	type key struct{ month, category string }
	sums := map[key]*Line{}
	summary := &Summary{Currency: book.Currency, Lines: []Line{}}
	for _, t := range all {
		k := key{t.When.Format("2006-01"), book.Category(t.Text)}
		if month != "" && k.month != month {
			continue
		}
		if sums[k] == nil {
			sums[k] = &Line{Month: k.month, Category: k.category}
		}
		sums[k].Cents += t.Cents
		sums[k].Count++
		summary.Total += t.Cents
	}
	for _, line := range sums {
		summary.Lines = append(summary.Lines, *line)
	}
	sort.Slice(summary.Lines, func(i, j int) bool {
		a, b := summary.Lines[i], summary.Lines[j]
		return a.Month < b.Month || a.Month == b.Month && a.Category < b.Category
	})
	return summary
}

// Text writes a table.
func (s *Summary) Text(output io.Writer) error {
	table := tabwriter.NewWriter(output, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range s.Lines {
		fmt.Fprintf(table, "%s\t%s\t%d\t%.2f %s\t\n", line.Month, line.Category, line.Count, float64(line.Cents)/100, s.Currency)
	}
	fmt.Fprintf(table, "\ttotal\t\t%.2f %s\t\n", float64(s.Total)/100, s.Currency)
	return table.Flush()
}

// JSON writes an object.
func (s *Summary) JSON(output io.Writer) error {
	encoder := json.NewEncoder(output)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}
