# Rappel. Each target sets up what it needs and says so.
#   make run     everything on this machine, at http://127.0.0.1:8080
#   make test    all tests, the race detector on, plus vet, staticcheck and gofmt
#   make lint    gofmt, vet, staticcheck
#   make bench   benchmarks of the parts that must be fast
#   make chaos   100,000 messages while dispatchers, databases and gateways die; figures
#   make build   the binary, bin/rappel

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test lint bench chaos build tools tools-test

export CGO_ENABLED ?= 1

# Two at a time, however many cores there are: the Graph SDK needs about 4 GB for one
# compiler process, and tests under the race detector several.
GOFLAGS_TEST := -race -timeout 60m -p 2

help:
	@sed -n '2,8s/^# *//p' Makefile

# What a fresh Debian machine lacks. Where packages may not be installed the
# script prints exactly what to install and fails.
tools:
	@bash .deploy/setup.sh postgresql

tools-test:
	@bash .deploy/setup.sh postgresql chromium gcc axe swissqrbill poppler

run: tools
	@echo "building; the first time takes about five minutes (Microsoft's Graph SDK), then seconds"
	@go build -o bin/rappel ./cmd/rappel
	@exec bin/rappel dev $(ARGS)

build:
	go build -trimpath -o bin/rappel ./cmd/rappel

test: tools-test lint
	go test $(GOFLAGS_TEST) ./...

lint:
	@files=$$(git ls-files '*.go' | xargs -r gofmt -l); if [ -n "$$files" ]; then echo "not gofmt-ed:"; echo "$$files"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

bench: tools
	go test -run '^$$' -bench . -benchmem ./notify/... ./reminders/... ./migrations/...

# The short form of it is part of make test. A seed that failed: make chaos SEED=…
chaos: tools
	go test -run '^TestChaos$$' -v -count 1 -timeout 60m ./cmd/rappel -chaos.messages $(or $(MESSAGES),100000) -chaos.seed $(or $(SEED),0)
