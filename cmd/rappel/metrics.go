package main

import (
	"context"
	"net/http"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rappel/notify"
)

// metrics is what Prometheus reads at /metrics. Labels are closed sets: no
// account, number or name ever becomes one.
type metrics struct {
	registry  *prometheus.Registry
	polls     *prometheus.CounterVec
	pollTime  *prometheus.HistogramVec
	changes   *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	alarms    *prometheus.CounterVec
	statuses  *prometheus.CounterVec
	purged    *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		polls:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rappel_calendar_polls_total", Help: "Readings of calendars by provider and outcome."}, []string{"provider", "outcome"}),
		pollTime:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rappel_calendar_poll_seconds", Help: "Time one reading of a calendar took.", Buckets: prometheus.ExponentialBuckets(0.01, 3, 9)}, []string{"provider"}),
		changes:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rappel_calendar_changes_total", Help: "Appointments found new, changed or gone."}, []string{"provider"}),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rappel_token_refreshes_total", Help: "Access tokens asked for, by provider and outcome."}, []string{"provider", "outcome"}),
		alarms:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rappel_alarms_total", Help: "Things the operator must look at, by kind."}, []string{"kind"}),
		statuses:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rappel_message_status_total", Help: "Changes of message status, by carrier and new status."}, []string{"carrier", "status"}),
		purged:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rappel_purged_rows_total", Help: "Rows deleted because they were kept long enough, by what they were."}, []string{"what"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.polls, m.pollTime, m.changes, m.refreshes, m.alarms, m.statuses, m.purged)
	return m
}

// watchQueue adds gauges read from the database at each scrape.
func (m *metrics) watchQueue(db *sqlx.DB, now func() time.Time) {
	gauge := func(name, help, query string, args func() []any) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			var v float64
			if err := db.GetContext(ctx, &v, query, args()...); err != nil {
				return -1 // shown as such rather than as an empty queue
			}
			return v
		}))
	}
	at := func() []any { return []any{now()} }
	gauge("rappel_queue_waiting", "Messages due and not yet claimed; -1 = the database did not answer.",
		`SELECT count(*) FROM queue WHERE send_at <= $1`, at)
	gauge("rappel_queue_oldest_seconds", "Age of the oldest message due and not yet claimed.",
		`SELECT COALESCE(EXTRACT(EPOCH FROM $1 - min(send_at)), 0) FROM queue WHERE send_at <= $1`, at)
	gauge("rappel_unanswered", "Messages that may or may not have reached a carrier.",
		`SELECT count(*) FROM unanswered WHERE since <= $1`, at)
	gauge("rappel_connections_broken", "Connections a clinic must renew.",
		`SELECT count(*) FROM connections WHERE status = 'needs_reconnect' AND created_at <= $1`, at)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Poll implements calendars.Meter.
func (m *metrics) Poll(provider, outcome string, took time.Duration) {
	m.polls.WithLabelValues(provider, outcome).Inc()
	m.pollTime.WithLabelValues(provider).Observe(took.Seconds())
}

// Changed implements calendars.Meter.
func (m *metrics) Changed(provider string, _, n int) {
	m.changes.WithLabelValues(provider).Add(float64(n))
}

// Refresh implements calendars.Meter.
func (m *metrics) Refresh(provider, outcome string) {
	m.refreshes.WithLabelValues(provider, outcome).Inc()
}

// Purged counts what notify's Purger deletes.
func (m *metrics) Purged(what string, rows int) { m.purged.WithLabelValues(what).Add(float64(rows)) }

// count takes what notify says of messages that took a new status.
func (m *metrics) count(carrier string, to notify.Status, n int) {
	m.statuses.WithLabelValues(carrier, to.String()).Add(float64(n))
}
