// Package upstream asks another board by HTTPS.
package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Reading is what a station measured.
type Reading struct {
	Station string    `json:"station"`
	Celsius float64   `json:"celsius"`
	At      time.Time `json:"at"`
}

// Client asks one board.
type Client struct {
	url   string
	http  *http.Client
	roots int
}

// New makes a client that trusts the certificate authorities of the system.
func New(url string) (*Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	count := 0
	if !roots.Equal(x509.NewCertPool()) {
		count = 1
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &Client{url, &http.Client{Transport: transport, Timeout: 3 * time.Second}, count}, nil
}

// Trusts says whether there is any authority that a server could be trusted by.
func (c *Client) Trusts() bool { return c.roots > 0 }

// Readings asks the board.
func (c *Client) Readings() ([]Reading, error) {
	if c.url == "" {
		return nil, errors.New("there is no upstream")
	}
	answer, err := c.http.Get(c.url + "/api/readings")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", c.url, answer.Status)
	}
	var readings []Reading
	return readings, json.NewDecoder(answer.Body).Decode(&readings)
}
