// Command load asks a webhook for reviews over a few keep-alive TLS connections, each in a closed loop, and prints
// what it measured as one JSON object.
//
// It writes requests as kube-apiserver's HTTP client does (same headers, 4 KiB write buffer) but prepares them before
// the clock starts, so that the client costs little beside the server.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type result struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Allowed  int     `json:"allowed"`
	Denied   int     `json:"denied"`
	RPS      float64 `json:"rps"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	FirstErr string  `json:"first_error,omitempty"`
}

// review is one prepared request and what its answer must hold.
type review struct {
	header, body []byte
	echo         []byte // "uid":"..."
}

func main() {
	address := flag.String("address", "127.0.0.1:9443", "host:port of the webhook")
	authority := flag.String("ca", "", "certificate authority, PEM")
	name := flag.String("server-name", "localhost", "the name that the certificate is checked for")
	bodies := flag.String("bodies", "", "AdmissionReviews, one per line; sent in turn, over and over")
	requests := flag.Int("requests", 10000, "how many, all connections together")
	connections := flag.Int("connections", 8, "keep-alive connections")
	start := flag.Int("start", 0, "the line to begin with")
	flag.Parse()
	measured, err := run(*address, *authority, *name, *bodies, *requests, *connections, *start)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(measured)
}

func run(address, authority, name, bodies string, requests, connections, start int) (*result, error) {
	reviews, err := prepare(address, bodies)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + authority)
	}
	workers := make([]*worker, connections)
	for i := range workers {
		connection, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(connection, &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS13})
		if err := secured.Handshake(); err != nil {
			return nil, err
		}
		defer secured.Close()
		workers[i] = &worker{in: bufio.NewReaderSize(secured, 16<<10), out: bufio.NewWriterSize(secured, 4<<10), connection: secured}
	}
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for _, each := range workers {
		group.Go(func() { each.loop(reviews, &next, requests, start) })
	}
	group.Wait()
	return summary(workers, time.Since(began)), nil
}

func prepare(address, path string) ([]review, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var reviews []review
	for line := range bytes.Lines(text) {
		body := bytes.TrimSuffix(line, []byte("\n"))
		var parsed struct {
			Request struct {
				UID string `json:"uid"`
			} `json:"request"`
		}
		if err := json.Unmarshal(body, &parsed); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", path, len(reviews)+1, err)
		}
		header := "POST /validate?timeout=10s HTTP/1.1\r\nHost: " + address +
			"\r\nUser-Agent: kube-apiserver-admission\r\nContent-Length: " + strconv.Itoa(len(body)) +
			"\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
		reviews = append(reviews, review{
			header: []byte(header), body: body, echo: []byte(`"uid":"` + parsed.Request.UID + `"`),
		})
	}
	if len(reviews) == 0 {
		return nil, errors.New("no reviews in " + path)
	}
	return reviews, nil
}

type worker struct {
	connection net.Conn
	in         *bufio.Reader
	out        *bufio.Writer
	answer     []byte
	took       []time.Duration
	allowed    int
	denied     int
	errors     int
	firstErr   error
}

func (w *worker) loop(reviews []review, next *atomic.Int64, requests, start int) {
	for {
		turn := int(next.Add(1)) - 1
		if turn >= requests {
			return
		}
		each := &reviews[(start+turn)%len(reviews)]
		began := time.Now()
		if err := w.ask(each); err != nil {
			// A connection that failed once is not used again: its stream may be out of step.
			w.errors++
			w.firstErr = err
			return
		}
		w.took = append(w.took, time.Since(began))
	}
}

func (w *worker) ask(each *review) error {
	if err := w.connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := w.out.Write(each.header); err != nil {
		return err
	}
	if _, err := w.out.Write(each.body); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	if err := w.read(); err != nil {
		return err
	}
	if !bytes.Contains(w.answer, each.echo) {
		return fmt.Errorf("the answer does not echo the uid: %.200s", w.answer)
	}
	switch {
	case bytes.Contains(w.answer, []byte(`"allowed":true`)):
		w.allowed++
	case bytes.Contains(w.answer, []byte(`"allowed":false`)):
		w.denied++
	default:
		return fmt.Errorf("not a verdict: %.200s", w.answer)
	}
	return nil
}

// read takes one response with a Content-Length.
func (w *worker) read() error {
	status, err := w.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("answered %.100s", status)
	}
	length := -1
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, found := strings.Cut(strings.TrimSpace(string(line)), ":")
		if !found {
			break
		}
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no Content-Length")
	}
	w.answer = slices.Grow(w.answer[:0], length)[:length]
	_, err = io.ReadFull(w.in, w.answer)
	return err
}

func summary(workers []*worker, took time.Duration) *result {
	total := &result{}
	var all []time.Duration
	for _, each := range workers {
		all = append(all, each.took...)
		total.Allowed += each.allowed
		total.Denied += each.denied
		total.Errors += each.errors
		if each.firstErr != nil && total.FirstErr == "" {
			total.FirstErr = each.firstErr.Error()
		}
	}
	slices.Sort(all)
	total.Requests = len(all)
	total.RPS = float64(len(all)) / took.Seconds()
	if len(all) > 0 {
		total.P50 = float64(all[len(all)/2].Nanoseconds()) / 1000
		total.P99 = float64(all[len(all)*99/100].Nanoseconds()) / 1000
	}
	return total
}
