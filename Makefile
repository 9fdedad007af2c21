# What people type in this tree. Only Go is needed; everything else is fetched by it.
# The race detector wants a C compiler as well: without one the tests run without it.

STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
HELM        ?= helm.sh/helm/v3/cmd/helm@v3.22.0
COMPOSE     ?= github.com/compose-spec/compose-go/v2/cmd@v2.16.2
GOVULNCHECK ?= golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME    ?= 1m
SMOKE       ?= 20000x
BENCH       ?= .
BENCHTIME   ?= 1s

RACE := $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && [ "$$(go env GOOS/GOARCH)" != windows/arm64 ] && echo -race)

SDK := internal/sdktest
WEB := admin/console/web

.PHONY: run check test rules redis postgres promtool race noalloc sdk otel console console-dist console-pictures console-scale image helm compose archtest lint vuln smoke fuzz soak soak-kill soak-handover fleet fleet-clocks fleet-kill fleet-roll fleet-failures soak-ledger soak-reload soak-chaos bench bench-leave bench-postgres bench-redis bench-compare cover

# run: serve dragoman.yaml if it is there, else the quick start with a built-in model.
run:
	go run ./cmd/dragoman

# check: everything that a change has to pass.
check: lint test smoke

# test: the rules of the code base, which build everything once and therefore come
# before what measures time; every test with the race detector, an eighth of the pairs of dialects; then
# the other pairs without it, and those that count allocations, which it would disturb; then the
# official client libraries; then the console in a browser.
test: rules race noalloc sdk console

rules:
	go test ./internal/archtest

# redis: the server that several processes share; tests start one of their own and stop
# it. RUNLEVEL keeps the package from starting another.
redis:
	command -v redis-server >/dev/null || { apt-get update && RUNLEVEL=1 apt-get install -y redis-server; }

# postgres: the server on which several processes keep conversations, and a pooler; tests start
# their own and stop them. RUNLEVEL keeps the package from starting another.
postgres:
	{ command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 && ls /usr/sbin/pgbouncer >/dev/null 2>&1 || \
		{ apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends postgresql pgbouncer; }

# promtool: what checks alert rules and queries. It comes with the server, which is not
# started.
promtool:
	command -v promtool >/dev/null || { apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends prometheus; }

race: redis postgres promtool
	@[ -n "$(RACE)" ] || echo "no C compiler: the tests run without the race detector"
	DRAGOMAN_TEST_ALL=1 DRAGOMAN_TEST_PAIRS=some go test $(RACE) -timeout 20m ./...

# noalloc: tests of files that are built without the race detector only, those that cut streams in
# strides, and the pairs of dialects that race has left out.
noalloc:
	@names=$$(find . -name '*_test.go' | xargs awk 'FNR==1 { free=0 } /^\/\/go:build !race/ { free=1 } /^func Test/ { name=$$2; sub(/\(.*/, "", name); if (free) print name } \
		/eachPair\(t,|spared\(i, j\)|cut \+= stride/ { print name }' | sort -u | paste -sd'|' -); \
	dirs=$$(grep -rlE --include='*_test.go' '^//go:build !race|eachPair\(t,' . | xargs -n1 dirname | sort -u); \
	set -x; DRAGOMAN_TEST_PAIRS=others go test -count=1 -timeout 10m -run "^($$names)$$" $$dirs

# sdk: the official client libraries, for Go and for Node, against a gateway. They
# are a module of their own, so that the gateway does not depend on them.
sdk: $(SDK)/node/node_modules/.package-lock.json $(SDK)/codex/node_modules/.package-lock.json
	cd $(SDK) && go vet ./... && DRAGOMAN_TEST_ALL=1 go test -timeout 8m ./...

$(SDK)/%/node_modules/.package-lock.json: $(SDK)/%/package-lock.json
	command -v npm >/dev/null || { apt-get update && apt-get install -y nodejs npm; }
	cd $(SDK)/$* && npm ci --no-audit --no-fund
	touch $@

# otel: a real OpenTelemetry collector, built from its Go modules, is told of an exchange with a
# failed attempt under the span of its client, and shows it. The collector is a module of its own.
otel:
	cd internal/otlptest/testdata/collector && go build -o $(CURDIR)/bin/collector .
	DRAGOMAN_COLLECTOR=$(CURDIR)/bin/collector go test -count=1 -v -timeout 5m -run '^TestARealCollector' ./cmd/dragoman

# console: the page of the operators in a real Chromium, against a gateway of now; its built
# files are those of its sources. console-dist builds them, console-pictures takes the
# pictures of its documents.
console: $(WEB)/node_modules/.package-lock.json
	command -v chromium >/dev/null || { apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends chromium; }
	@mkdir -p bin
	go build -o bin/dragoman ./cmd/dragoman
	cd $(WEB) && npx --no-install tsc --noEmit && npm test

console-dist: $(WEB)/node_modules/.package-lock.json
	cd $(WEB) && npm run build

# console-scale: how the page does with 1,000 channels and 10,000 requests. Prints figures.
console-scale: $(WEB)/node_modules/.package-lock.json
	@mkdir -p bin
	go build -o bin/dragoman ./cmd/dragoman
	cd $(WEB) && node test/scale.js

console-pictures: $(WEB)/node_modules/.package-lock.json
	@mkdir -p bin
	go build -o bin/dragoman ./cmd/dragoman
	cd $(WEB) && npm run pictures

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	command -v npm >/dev/null || { apt-get update && apt-get install -y nodejs npm; }
	cd $(WEB) && npm ci --no-audit --no-fund
	touch $@

# image: the binary as the image has it. It says so if that is not static.
image:
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=image" -o bin/dragoman-image ./cmd/dragoman
	@! readelf -l bin/dragoman-image 2>/dev/null | grep -q INTERP || { echo "the binary is not static"; exit 1; }
	bin/dragoman-image version

# helm: the chart, linted and rendered, with and without autoscaling. Helm is built for it, which takes minutes
# the first time, and is no dependency.
helm:
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin go install $(HELM)
	bin/helm lint --strict deploy/helm/dragoman
	bin/helm template try deploy/helm/dragoman --kube-version 1.32.0 >bin/helm.yaml
	bin/helm template try deploy/helm/dragoman --kube-version 1.32.0 --set autoscaling.enabled=true | grep -q 'name: dragoman_sessions'
	sed -n '/^  dragoman.yaml: |/,/^---/{s/^    //p}' bin/helm.yaml >bin/helm-config.yaml
	DRAGOMAN_ADMIN_TOKEN=t DRAGOMAN_KEY=k DRAGOMAN_STORE_URL=postgres://d:p@db/d DRAGOMAN_SHARED_URL=redis://c go run ./cmd/dragoman check -c bin/helm-config.yaml
	@echo "bin/helm.yaml: $$(grep -c '^kind:' bin/helm.yaml) objects"

# compose: the compose file against the schema of its specification.
compose:
	go run $(COMPOSE) -no-interpolation deploy/compose.yaml >/dev/null
	@echo "deploy/compose.yaml: good"

# archtest: the same rules, with the warnings.
archtest:
	go test -count=1 -v ./internal/archtest

# lint: formatting, go.mod, go vet, staticcheck, known vulnerabilities.
lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted"; exit 1; }
	go mod tidy -diff
	cd $(SDK) && go mod tidy -diff
	go vet ./...
	go run $(STATICCHECK) ./...
	@$(MAKE) --no-print-directory vuln

# vuln: known vulnerabilities in code that is called. Where the tool or its database cannot
# be reached within two minutes each, it says so and is no failure.
vuln:
	@skip() { echo "govulncheck: skipped ($$1)"; exit 0; }; mkdir -p bin; \
	command -v timeout >/dev/null || skip "there is no timeout command"; \
	! command -v curl >/dev/null || curl -sfm 5 -o /dev/null "$${GOVULNDB:-https://vuln.go.dev}/index/db.json" || skip "its database cannot be reached"; \
	GOBIN=$(CURDIR)/bin timeout 120 go install $(GOVULNCHECK) 2>bin/govulncheck.txt || skip "the tool cannot be fetched"; \
	timeout 120 bin/govulncheck ./... >bin/govulncheck.txt 2>&1; \
	case $$? in 0) ;; 3) cat bin/govulncheck.txt; exit 1;; *) skip "its database cannot be reached, or it did not end; see bin/govulncheck.txt";; esac

# fuzz: every fuzz target for FUZZTIME, one after the other. smoke: a fixed number of
# inputs each, so that it takes seconds and never depends on the clock; fewer for
# those that play whole sessions against a gateway or write to a file.
SESSIONTIME ?= $(FUZZTIME)

smoke: FUZZTIME = $(SMOKE)
smoke: SESSIONTIME = 1000x
smoke: fuzz

fuzz:
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		list=$$(go test -list '^Fuzz' $$dir); \
		for target in $$(echo "$$list" | grep '^Fuzz'); do \
			echo "fuzz $$dir $$target"; \
			case $$target in *Session*|*Damaged*) time=$(SESSIONTIME);; *) time=$(FUZZTIME);; esac; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $$time $$dir; \
		done; \
	done

# soak-ledger: LEDGER questions with failures, retries, cancellations and cut streams:
# the ledger equals what the scripted model counted. Prints figures.
LEDGER ?= 10000
soak-ledger:
	DRAGOMAN_TEST_LEDGER=$(LEDGER) go test -count=1 -v -timeout 10m -run TestTheLedgerEqualsWhatTheModelCounted ./proxy/front

# soak-kill: kill -9 in the middle of KILLTURNS turns through the whole gateway, KILLS
# times over: what was acknowledged is there, and nothing is half; and the same as often
# while the disk is full. Prints figures.
KILLS     ?= 20
KILLTURNS ?= 1000

soak-kill:
	DRAGOMAN_TEST_KILLS=$(KILLS) DRAGOMAN_TEST_TURNS=$(KILLTURNS) go test -count=1 -timeout 30m -v -run 'SurviveKill$$' ./cmd/dragoman

# soak-handover: HANDOVERS under RATE questions a second and STREAMS open streams: no question
# fails, no stream is cut, conversations are in order. Prints figures.
HANDOVERS ?= 10
RATE      ?= 500
STREAMS   ?= 500

soak-handover:
	DRAGOMAN_TEST_HANDOVERS=$(HANDOVERS) DRAGOMAN_TEST_RATE=$(RATE) DRAGOMAN_TEST_STREAMS=$(STREAMS) go test -count=1 -timeout 30m -v -run TestAHandoverUnderLoad ./cmd/dragoman

# fleet: three processes on a PostgreSQL and a Redis, behind a balancer that gives each request
# and socket to another one: a conversation that is asked 200 times at once, and the suites of
# one process about conversations, limits, repeated requests and pairs of dialects, all those that
# FLEET_SUITES matches. cmd/dragoman/fleet_suites_test.go lists them, and why some are left out.
FLEET_SUITES ?= .

fleet: redis postgres
	DRAGOMAN_TEST_ALL=1 DRAGOMAN_TEST_PAIRS=some DRAGOMAN_TEST_FLEET_QUESTIONS=200 DRAGOMAN_TEST_FLEET_SUITES='$(FLEET_SUITES)' go test -count=1 -timeout 30m -v -run 'OverThreeReplicas' ./cmd/dragoman

# fleet-clocks: the same suites, and kills, where the clocks of the three are a minute behind, right
# and a minute ahead. It builds a program whose clock can be off, which takes minutes at first.
fleet-clocks: redis postgres
	DRAGOMAN_TEST_ALL=1 DRAGOMAN_TEST_PAIRS=some DRAGOMAN_TEST_CLOCKS='$(FLEET_SUITES)' go test -count=1 -timeout 40m -v -run 'TestClocksThatDiffer' ./cmd/dragoman

# fleet-kill: kill -9 of a random one of three processes, KILLS times, under CONVERSATIONS: what was
# acknowledged is there, once and whole. fleet-roll: a rolling restart of three under STREAMS of
# all fronts: nothing fails and nothing is cut. Both print figures.
CONVERSATIONS ?= 300

fleet-kill: redis postgres
	DRAGOMAN_TEST_ALL=1 DRAGOMAN_TEST_KILLS=$(KILLS) DRAGOMAN_TEST_CONVERSATIONS=$(CONVERSATIONS) go test -count=1 -timeout 20m -v -run TestAcknowledgedTurnsOfThreeReplicas ./cmd/dragoman

fleet-roll: redis postgres
	DRAGOMAN_TEST_ALL=1 DRAGOMAN_TEST_STREAMS=$(STREAMS) go test -count=1 -timeout 20m -v -run TestARollingRestartOfThreeReplicas ./cmd/dragoman

# fleet-failures: what befalls a PostgreSQL and a Redis, for PLIGHTS seconds each: slow, refusing, cut,
# silent, elsewhere, full. Prints what the clients of each front saw; about ten minutes.
PLIGHTS ?= 30

fleet-failures: redis postgres
	DRAGOMAN_TEST_ALL=1 DRAGOMAN_TEST_PLIGHTS=$(PLIGHTS) go test -count=1 -timeout 30m -v -run TestFailuresOfTheServersLoseNothing ./cmd/dragoman

# soak-reload: CHANGES of the configuration, a third of them broken, under RATE questions a
# second and STREAMS open streams: none fails and none is cut. Prints figures.
CHANGES ?= 50

soak-reload:
	ulimit -n $$(ulimit -Hn) && DRAGOMAN_TEST_CHANGES=$(CHANGES) DRAGOMAN_TEST_RATE=$(RATE) DRAGOMAN_TEST_STREAMS=$(STREAMS) \
		go test -count=1 -timeout 15m -v -run TestFiftyChangesUnderLoad ./cmd/dragoman

# soak-chaos: SEEDS scripts of faults against the whole gateway.
SEEDS ?= 10000

soak-chaos:
	DRAGOMAN_TEST_SEEDS=$(SEEDS) go test -count=1 -timeout 60m -v -run 'WhateverHappens$$|ManyClients' ./internal/chaos

# soak: 2,000 streams, 2,000 sockets, conversations that grow, hostile clients and back
# ends for 20 minutes: good clients get their answers, and after five minutes nothing
# grows. ARGS are arguments of the command.
soak:
	@mkdir -p bin
	go build -o bin/dragoman ./cmd/dragoman
	ulimit -n $$(ulimit -Hn) && go run ./benchmarks/soak --dragoman bin/dragoman $(ARGS)

# bench: all benchmarks, or those that BENCH names, for BENCHTIME each.
bench:
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# bench-postgres: turns a second beside pgbench on the same server, and the times of lists, looks
# and turns among a million conversations beside a thousand; about five minutes, 5 GB of disk.
bench-postgres:
	go test -run '^$$' -bench '^BenchmarkTurns$$' -benchtime 50000x -count 3 ./store/postgres
	go test -run '^$$' -bench '^BenchmarkGrowth$$' -benchtime 2000x -timeout 30m ./store/postgres

# bench-redis: how many calls, and questions, a second fill one core of a Redis; a minute.
bench-redis:
	go test -run '^$$' -bench '^BenchmarkFullServer$$' -benchtime 60000x ./limiter/redis

# bench-leave: from a client's farewell to the close at the back end, 200 times in each stage; about five minutes.
bench-leave:
	go test -run '^$$' -bench '^BenchmarkLeave' -benchtime 200x ./benchmarks/micro

# bench-compare: dragoman beside nginx, a bare fasthttp proxy and the model itself; about
# six minutes. ARGS are arguments of the command. See benchmarks/README.md.
# ARGS="--against BINARY" measures another binary of dragoman beside that of now instead,
# about twelve minutes, and fails when a row is worse.
bench-compare:
	go run ./benchmarks/compare $(ARGS)

# cover: what the tests reach, by function, and as a page in bin/cover.html.
cover:
	@mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	go tool cover -func=bin/cover.out | tail -n 1
