// Package rules says which category a transaction belongs to.
package rules

import (
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// Rule gives all texts that contain one of its words a category.
type Rule struct {
	Category string   `yaml:"category"`
	Words    []string `yaml:"words"`
}

// Book is a list of rules; the first one that matches counts.
type Book struct {
	Currency string `yaml:"currency"`
	Other    string `yaml:"other"`
	Rules    []Rule `yaml:"rules"`
}

// Load reads a book from a YAML file.
func Load(name string) (*Book, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	book := Book{Currency: "EUR", Other: "other"}
	if err := yaml.Unmarshal(text, &book); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &book, nil
}

// Category is where a transaction with this text belongs.
func (b *Book) Category(text string) string {
	text = strings.ToLower(text)
	for _, rule := range b.Rules {
		for _, word := range rule.Words {
			if strings.Contains(text, strings.ToLower(word)) {
				return rule.Category
			}
		}
	}
	return b.Other
}
