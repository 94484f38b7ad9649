# Every target installs what it lacks (or says which packages to install) and needs no Docker.

.DEFAULT_GOAL := help
.PHONY: help run stop demo test test-unit test-tsan conformance settings bench format lint deps clean

# The test targets that need no service, for the thread sanitizer.
UNIT_TESTS ?= AgentMemoryTests|BackendProtocolTests|MemoryServiceTests|MemoryHTTPTests|EmbeddingsTests|RerankersTests

help: ## Lists the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
	@echo
	@echo "  make run BACKEND=pgvector       on Postgres; BACKEND=reference: in memory"
	@echo "  make run PORT=8001              on another port"
	@echo "  make test SWIFT_TEST_ARGS='--filter PagingTests'"

run: ## Runs the server on http://localhost:8000 with a local Redis; data stays in .local
	@Scripts/run

stop: ## Stops what "make run" may have left behind
	@Scripts/run stop

demo: ## Stores and searches a few dozen memories on the running server
	@python3 Scripts/demo

test: ## Checks the tree and runs every test on both backends
	@Scripts/test

test-unit: ## Runs the tests that need no service, in less than a minute once they are built
	@Scripts/test unit

test-tsan: deps ## Runs the tests that need no service under the thread sanitizer
	swift test --scratch-path .build-tsan --sanitize thread --filter '^($(UNIT_TESTS))\.'

conformance: deps ## Holds the built-in backends against the contract and writes Documentation/conformance-results.md
	@swift build -c release --product agent-memory
	@Scripts/with-services Scripts/conformance-table

settings: deps ## Writes Documentation/settings.md
	@swift build -c release --product agent-memory
	@"$$(swift build -c release --show-bin-path)"/agent-memory settings --markdown >Documentation/settings.md

bench: deps ## Measures both backends on throw-away services
	@Scripts/with-services Benchmarks/run
	@Scripts/with-services Benchmarks/sessions

format: ## Formats the Swift sources
	@Scripts/format

lint: ## Says where sources are not formatted, and what is wrong with the documents
	@Scripts/format lint
	@Scripts/check-documents

deps: ## Installs the packages that a build needs
	@Scripts/install packages

clean: ## Removes what was built and downloaded; the data in .local stays
	rm -rf .build .build-* .cache
