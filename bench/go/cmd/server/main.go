// Command server is the yardstick: a plain net/http handler over TLS 1.3 that takes the same decision as the webhook.
//
// It uses the standard library as its documentation suggests, decodes as handlers on the types of k8s.io/api do (the
// review first, then the object in it), and has no framework around it.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"time"

	"seconder.dev/bench/internal/admission"
	"seconder.dev/bench/internal/guard"
	"seconder.dev/bench/internal/telemetry"
)

const maxBody = 7 << 20

func main() {
	address := flag.String("address", "127.0.0.1:9443", "where reviews are answered, TLS 1.3")
	metricsAddress := flag.String("metrics-address", "127.0.0.1:9090", "where /metrics and /readyz are served, plain HTTP")
	certificate := flag.String("tls-cert", "", "certificate chain, PEM")
	key := flag.String("tls-key", "", "private key, PEM")
	config := flag.String("config", "", "policies and approvers, JSON")
	remember := flag.Bool("cache", false, "remember verified approvals")
	flag.Parse()
	if err := run(*address, *metricsAddress, *certificate, *key, *config, *remember); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(address, metricsAddress, certificate, key, config string, remember bool) error {
	decider, err := guard.Load(config, remember)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	reviews, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	probes, err := net.Listen("tcp", metricsAddress)
	if err != nil {
		return err
	}
	service := &service{guard: decider, log: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	failed := make(chan error, 2)
	go func() { failed <- serve(probes, service.probes()) }()
	go func() {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /validate", service.validate)
		settings := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
		failed <- serve(tls.NewListener(reviews, settings), mux)
	}()
	return <-failed
}

func serve(listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 120 * time.Second,
		MaxHeaderBytes: 16 << 10,
	}
	return server.Serve(listener)
}

type service struct {
	guard   *guard.Guard
	log     *slog.Logger
	metrics telemetry.Metrics
}

func (s *service) probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, "ok\n") })
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) { s.metrics.WriteText(out) })
	return mux
}

func (s *service) validate(out http.ResponseWriter, in *http.Request) {
	began := time.Now()
	if kind, _, err := mime.ParseMediaType(in.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(out, "application/json is wanted", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, in.Body, maxBody))
	if err != nil {
		http.Error(out, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	var review admission.Review
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil || review.Request.UID == "" {
		http.Error(out, "an AdmissionReview with a request is wanted", http.StatusBadRequest)
		return
	}
	request := review.Request
	stored, err := request.OldObject.Decode()
	if err != nil {
		http.Error(out, "oldObject is not an object", http.StatusBadRequest)
		return
	}
	decision := s.guard.Decide(request, stored, began)
	answer, err := json.Marshal(admission.Review{
		APIVersion: review.APIVersion, Kind: review.Kind, Response: guard.Respond(request, stored, decision),
	})
	if err != nil {
		http.Error(out, "internal error", http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = out.Write(answer)
	s.record(request, decision, time.Since(began))
}

func (s *service) record(request *admission.Request, decision *guard.Decision, took time.Duration) {
	verdict := "deny"
	if decision.Allowed {
		verdict = "allow"
	}
	s.metrics.Observe(telemetry.Labels{
		Operation: request.Operation, Resource: request.Resource.Resource, Decision: verdict, Reason: decision.Reason,
	}, took)
	s.log.Info("review",
		"decision", verdict, "reason", decision.Reason, "uid", request.UID, "operation", request.Operation,
		"group", request.Resource.Group, "resource", request.Resource.Resource,
		"namespace", request.Namespace, "name", request.Name, "object_uid", decision.UID,
		"requester", request.UserInfo.Username, "agent", decision.Agent, "policies", decision.Policies,
		"approvers", decision.Approvers, "approvals", decision.Tokens, "dry_run", request.DryRun,
		"duration_us", took.Microseconds())
}
