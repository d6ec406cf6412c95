# Everything that is built, tested and checked. It needs Go and make; git, where
# it is, gives the version. Only `race` needs a C compiler.

GO          ?= go
STATICCHECK ?= staticcheck
TESTFLAGS   ?=
FUZZTIME    ?= 10s

# A release is built from its tag. Everything else is no version at all, which
# satisfies every required_version; v0.1.0-3-gabc would be older than v0.1.0.
VERSION := $(shell git describe --tags --exact-match --dirty=+dirty 2>/dev/null || \
	echo "devel-$$(git rev-parse --short HEAD 2>/dev/null || echo unknown)")

# Where goroutines meet. What is left out has none of its own.
RACE = ./orchestrator/... ./providers/... ./sinks/... ./cmd/...

# What is tested is built as what is shipped, and from the same build cache.
export CGO_ENABLED = 0

.PHONY: build test race check fuzz bench demo examples clean

build:
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/certform ./cmd/certform

# A test that needs a server this machine has not got is skipped; all of those
# are named at the end. With CERTFORM_REAL=1 they fail.
test:
	@missing=$$(mktemp) || exit 1; trap 'rm -f "$$missing"' EXIT; code=0; \
	echo "$(strip $(GO) test $(TESTFLAGS) ./...)"; \
	CERTFORM_MISSING=$$missing $(GO) test $(TESTFLAGS) ./... || code=$$?; \
	if [ -s "$$missing" ]; then \
		printf '\nSkipped, for want of a real server:\n'; \
		sort -u "$$missing" | sed 's/^/  /'; \
		printf 'To run them all:\n'; \
		sed 's/^[^:]*: //' "$$missing" | sort -u | sed 's/^/  /'; \
	fi; \
	exit $$code

race:
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) $(RACE)

check:
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not as gofmt writes it:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	@if command -v "$(STATICCHECK)" >/dev/null; then echo "$(STATICCHECK) ./..."; "$(STATICCHECK)" ./...; \
	else echo "staticcheck is not here: go install honnef.co/go/tools/cmd/staticcheck@v0.8.2"; fi

# Every fuzz target for FUZZTIME; one command can run only one.
fuzz:
	@grep -r --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sort | \
	while IFS=: read -r file target; do \
		package=$$(dirname "$$file"); target=$${target#func }; \
		echo "$$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" || exit 1; \
	done

# Other cases and more figures: go run ./internal/bench -help
bench: build
	$(GO) run ./internal/bench

demo: build
	bin/certform demo

# What the tests plan and apply, once more through the binary.
examples: build
	@for file in $$(find examples -name '*.hcl' | sort); do dirname "$$file"; done | uniq | \
	while read -r dir; do \
		echo "certform validate: $$dir"; \
		(cd "$$dir" && "$(CURDIR)/bin/certform" validate) || exit 1; \
	done

clean:
	rm -rf bin
