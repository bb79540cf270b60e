// Package telemetry counts decisions and review durations, as a metrics library would, without being one.
package telemetry

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// buckets of the duration histogram, in seconds.
var buckets = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Labels of one series.
type Labels struct{ Operation, Resource, Decision, Reason string }

// Metrics are the handler's counters. The zero value is ready.
type Metrics struct {
	requests  sync.Map // Labels to *atomic.Uint64
	durations [len(buckets) + 1]atomic.Uint64
	sum       atomic.Int64 // nanoseconds
}

// Observe counts one review.
func (m *Metrics) Observe(labels Labels, took time.Duration) {
	counter, found := m.requests.Load(labels)
	if !found {
		counter, _ = m.requests.LoadOrStore(labels, new(atomic.Uint64))
	}
	counter.(*atomic.Uint64).Add(1)
	place := 0
	for place < len(buckets) && took.Seconds() > buckets[place] {
		place++
	}
	m.durations[place].Add(1)
	m.sum.Add(int64(took))
}

// WriteText writes the Prometheus text format.
func (m *Metrics) WriteText(out io.Writer) {
	m.requests.Range(func(key, value any) bool {
		labels := key.(Labels)
		fmt.Fprintf(out, "admission_requests_total{operation=%q,resource=%q,decision=%q,reason=%q} %d\n",
			labels.Operation, labels.Resource, labels.Decision, labels.Reason, value.(*atomic.Uint64).Load())
		return true
	})
	total := uint64(0)
	for place := range m.durations {
		total += m.durations[place].Load()
		bound := "+Inf"
		if place < len(buckets) {
			bound = fmt.Sprint(buckets[place])
		}
		fmt.Fprintf(out, "admission_review_duration_seconds_bucket{le=%q} %d\n", bound, total)
	}
	fmt.Fprintf(out, "admission_review_duration_seconds_sum %g\n", time.Duration(m.sum.Load()).Seconds())
	fmt.Fprintf(out, "admission_review_duration_seconds_count %d\n", total)
}
