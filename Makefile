# make help says what there is.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 5s
TIME     ?= 10m
LDFLAGS  := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help build test demo images clab-test lint generated proto race fuzz bench interop faults soak sim clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/evpnd and bin/evpnctl, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/evpnd ./cmd/evpnctl

test: build ## all tests; as root with apt it installs what they need, otherwise it says what it skipped
	@EVPND_BIN='$(CURDIR)/bin' GO='$(GO)' test/run

demo: export EVPND_BIN := $(CURDIR)/bin
demo: export KEEP := $(KEEP)
demo: build ## three hosts, their containers and evpnd between them; KEEP=1 leaves them up
	@$(GO) build -o bin/test/demo ./test/demo
	@bin/test/demo

images: build ## evpnd/evpnd, and what the labs run in; BASE=debootstrap pulls no image
	@BASE='$(BASE)' test/images

clab-test: build ## the topologies of test/containerlab under containerlab, with make images
	EVPND_BIN='$(CURDIR)/bin' EVPND_CLAB=1 $(GO) test -count=1 -v -run TestTopologies -parallel 1 ./test/containerlab

lint: ## go vet, staticcheck, gofumpt, buf lint
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	@unformatted=$$($(TOOL) gofumpt -l .) && if [ -n "$$unformatted" ]; then \
		echo "not formatted by gofumpt (run: $(TOOL) gofumpt -w .):"; echo "$$unformatted"; exit 1; fi
	$(TOOL) buf lint

proto: ## generate the Go code of the API again
	$(TOOL) buf generate

generated: ## check that the generated code is what its sources say
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(TOOL) buf generate -o "$$new" && \
		diff -r --exclude='*.proto' proto "$$new/proto" || { echo 'generated code differs from its sources: run make proto'; exit 1; }

race: ## all tests with the race detector, in evpnd too
	CGO_ENABLED=1 $(GO) build -race -o bin/race/ ./cmd/evpnd ./cmd/evpnctl
	@EVPND_BIN='$(CURDIR)/bin/race' GO='$(GO)' GORACE='halt_on_error=1 atexit_sleep_ms=0' test/run -race

fuzz: ## every fuzz target for FUZZTIME (5s)
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' test/fuzz

bench: build ## benchmarks of the packages, then evpnd, FRR and the limit in turn, as a table: an hour
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -v /test/)
	EVPND_BIN='$(CURDIR)/bin' EVPND_BENCH='$(or $(SCENARIOS),.*)' $(GO) test -count=1 -timeout 0 -v ./test/bench

interop: build ## the suite against FRR, each test shown
	EVPND_BIN='$(CURDIR)/bin' $(GO) test -count=1 -v ./test/interop

faults: build ## what failures and restarts cost, evpnd and FRR beside each other, as a table: 10 minutes
	EVPND_BIN='$(CURDIR)/bin' EVPND_FAULTS=all $(GO) test -count=1 -timeout 20m -v ./test/faults

soak: ## churn over three nodes for TIME (10m), which must leave nothing behind, under the race detector
	CGO_ENABLED=1 $(GO) build -race -o bin/race/ ./cmd/evpnd ./cmd/evpnctl
	EVPND_BIN='$(CURDIR)/bin/race' SOAK_TIME='$(TIME)' GORACE='halt_on_error=1 atexit_sleep_ms=0' $(GO) test -count=1 -timeout 0 -v ./test/soak

sim: ## one VTEP and one reflector in a site of 1,000 VTEPs and 1,000,000 MACs, with curves in docs/img
	@$(GO) build -o bin/test/ ./test/sim ./test/reflector
	@bin/test/sim

clean: ## remove what make made
	rm -rf bin
