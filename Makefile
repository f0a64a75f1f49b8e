# `make` builds, `make test` is all of CI. As root it installs the Debian packages
# that tests and code generation need; as another user it runs what needs no root.

GO     ?= go
BINARY := bin/portrange
MANDIR := man
ROOT   := $(filter 0,$(shell id -u))

# What the tests compare with (ss, netstat, sysctl, systemd-sysctl), make rules
# with (nft, iptables), drop privileges with (capsh, setpriv), watch the program
# with (strace), run as process 1 (systemd, dbus), and what BPF code is generated
# with. The race detector needs gcc; portrange itself is built without cgo.
PACKAGES := clang llvm libbpf-dev gcc libc6-dev git strace iproute2 net-tools procps systemd dbus nftables iptables libcap2-bin util-linux

# Processors that portrange is also built for: 64 bits with either byte order, and
# 32 bits. Vet compiles the tests too.
ARCHITECTURES := arm64 s390x mips

.PHONY: build test unit race lint cross generate check-generate man install exact cure faults fuzz bench-sockets packages clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags '-s -w' -o $(BINARY) ./cmd/portrange

test: packages lint cross check-generate race unit fuzz

unit:
	.ci/gotest ./...

# -short leaves the long live tests to the run without the race detector.
race:
	CGO_ENABLED=1 $(GO) test -race -short ./...

lint:
	$(GO) vet ./...
	@unformatted=$$(gofmt -l cmd internal *.go); test -z "$$unformatted" || { echo "not gofmt's form: $$unformatted"; exit 1; }
	$(GO) tool staticcheck ./...

cross:
	@for arch in $(ARCHITECTURES); do echo "vet for linux/$$arch"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) vet ./... && \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -o /dev/null ./cmd/portrange || exit 1; done

generate:
	$(GO) generate ./...

check-generate: packages
	.ci/generated

# The host's own program, also where portrange is built for another processor.
HERE := GOOS= GOARCH= $(GO) run

man:
	$(HERE) ./internal/manpages $(MANDIR)

# Installs the program, the man pages and the shells' completions below
# $(DESTDIR)$(prefix). Everybody may run it: it is in bin.
prefix  ?= /usr/local
DESTDIR ?=
SHARE    = $(DESTDIR)$(prefix)/share

install: build man
	install -D -m 0755 $(BINARY) $(DESTDIR)$(prefix)/bin/portrange
	install -d $(SHARE)/man/man8 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install -m 0644 $(MANDIR)/*.8 $(SHARE)/man/man8
	$(HERE) ./cmd/portrange completion bash > $(SHARE)/bash-completion/completions/portrange
	$(HERE) ./cmd/portrange completion zsh > $(SHARE)/zsh/site-functions/_portrange
	$(HERE) ./cmd/portrange completion fish > $(SHARE)/fish/vendor_completions.d/portrange.fish
	chmod 0644 $(SHARE)/bash-completion/completions/portrange $(SHARE)/zsh/site-functions/_portrange \
		$(SHARE)/fish/vendor_completions.d/portrange.fish

# The proof: random situations, portrange's answer against what the kernel
# grants. ARGS="-scenarios 5000 -seed 1" runs more.
exact:
	$(GO) test ./internal/exact -count=1 -timeout 4h -v $(ARGS)

# The proof of the advice: causes of exhaustion, and what the first action does.
# ARGS=-update writes docs/cures.md.
cure:
	$(GO) test ./internal/cure -count=1 -v $(ARGS)

# Faults: system calls that fail, and kills, at random places of every change,
# and what is found afterwards against what was said; and reads that fail, of a host
# with known sockets: the answer is right, or names a gap. ARGS="-faults 2000 -kills 10000
# -reads 5000 -workers 4 -parallel 4" runs more, -seed repeats, -only names a scenario, -each prints each.
faults:
	$(GO) test ./internal/faults -run 'TestFaults|TestReads' -count=1 -timeout 12h -v $(ARGS)

# Fuzz: each target for FUZZTIME, four at a time. There are about 40: 20s each take four
# to five minutes on two cores; FUZZLIMIT ends it at six. FUZZTIME=10m FUZZLIMIT=24h for a
# night, FUZZJOBS for more or fewer at a time.
fuzz:
	.ci/fuzz

bench-sockets: build
	$(GO) run ./internal/benchsockets $(ARGS) $(BINARY)

packages:
ifneq ($(ROOT),)
	@command -v apt-get >/dev/null || exit 0; \
	missing=$$(for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	test -z "$$missing" || { echo "installing" $$missing; apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }
else
	@echo "not root: tests that need root are skipped, and no packages are installed"
endif

clean:
	rm -rf bin man
