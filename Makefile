# The habits of this project. Each target does its own set-up and says what it did; a second run is quick.

PADDOCK := .build/release/paddock
# For one product. One file that needs no Swift toolchain where it runs, and starts faster for it.
# Names that nobody looks up are left out: the program has 5 MiB less in memory. Where the C library can read them (2.36),
# relocations are packed: 3 MiB less again, and an earlier start.
PACKED := $(shell printf '%s\n' 2.36 "$$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)" | sort -CV && \
	echo -Xlinker -z -Xlinker pack-relative-relocs)
RELEASE := swift build -c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker --strip-all \
	-Xlinker --no-export-dynamic $(PACKED) --product

# The tests of a node whose process, Engine, database or disk fails.
FAULTS := RunnerTests\.(CrashPoint|EngineFault|DatabaseFault|Stop|TwoNode)Tests

.DEFAULT_GOAL := help
.PHONY: help build test test-web soak check format bench fuzz demo images image docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## install what building needs, and build for debugging
	@scripts/setup.sh build
	swift build

test: ## do the set-up, start an Engine where none answers, and run every test
	@scripts/setup.sh test
	@scripts/check-imports.sh
	@python3 scripts/check-links.py
	@echo 'test: building (several minutes the first time)' >&2
	swift build --build-tests
	@scripts/test.sh

test-web: ## after make test: the tests of the HTTP API and the web page again, the slow ones too, with more examples
	PYTHONDONTWRITEBYTECODE=1 PADDOCK_EXAMPLES=25 .build/python/bin/python -m pytest Tests/Web

soak: ## kill nodes 200 times at random on each database, and repeat the tests of every fault
	@scripts/setup.sh test
	swift build --build-tests
	for round in 1 2 3; do \
		scripts/swift-test.sh --filter '$(FAULTS)' || exit; \
	done
	PADDOCK_SOAK_KILLS=200 scripts/swift-test.sh --filter RunnerTests.KillTests

check: ## lint the format, and check which module imports which
	swift format lint --strict --recursive Sources Tests $(wildcard Plugins) Package.swift
	@scripts/check-imports.sh

format: ## format the Swift sources in place
	swift format --in-place --recursive Sources Tests $(wildcard Plugins) Package.swift

bench: ## compare paddock with what one would use instead, on this machine (about 25 minutes)
	@scripts/setup.sh bench
	$(RELEASE) paddock
	$(RELEASE) PlainServer
	$(RELEASE) AdmissionProgram
	Benchmarks/run

fuzz: ## fuzz the sandbox init's frame parser, for a bounded time
	@scripts/setup.sh fuzz
	Tests/SandboxInit/fuzz.sh

demo: ## from nothing to an agent that runs: set-up, release build, two sample runs
	@scripts/setup.sh run
	@echo 'demo: building paddock in release (several minutes the first time)' >&2
	$(RELEASE) paddock
	@echo
	@echo '== $(PADDOCK) run images/text-report --input @images/text-report/sample.json'
	@$(PADDOCK) run images/text-report --input @images/text-report/sample.json
	@echo
	@echo "== $(PADDOCK) run images/ticker --input '{\"seconds\": 2}'"
	@$(PADDOCK) run images/ticker --input '{"seconds": 2}'

images: ## make the base images and build every sample agent as paddock/NAME
	@scripts/setup.sh run
	@images/agents.py build

image: ## build paddock in release, its own image paddock/server:latest, and paddock/postgresql:latest
	@scripts/setup.sh run
	$(RELEASE) paddock
	@/usr/bin/python3 images/base/build.py runtime postgresql
	@mkdir -p .build/image
	@cp .build/release/paddock .build/image/paddock
	docker build --quiet --tag paddock/server:latest --file packaging/Dockerfile .build/image
	docker build --quiet --tag paddock/postgresql:latest packaging/postgresql

docs: ## check that every relative link in the documents leads somewhere
	@python3 scripts/check-links.py

clean: ## remove .build and the agent images that make images built
	rm -rf .build
	@images/agents.py clean
