# The two commands: `make run` audits this machine, `make test` passes every test, formatter and lint.
# Both set up what they need. See CONTRIBUTING.md for working with cargo directly.

CARGO ?= cargo

.PHONY: help run test soak fuzz bench setup setup-test lint fmt doc clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## build loopgate and audit this machine with the embedded default policy
	$(CARGO) build --release --locked --package loopgate
	@target/release/loopgate check; code=$$?; \
	case $$code in \
	0) ;; \
	1) echo "make run: loopgate works; it found something on this machine (exit code 1, see above)." ;; \
	3) echo "make run: loopgate works; its verdict on this machine is incomplete (exit code 3, see above)." ;; \
	*) exit $$code ;; \
	esac

test: setup setup-test lint ## set up, then run every lint and every test; LOOPGATE_RULESETS may name more rulesets to try
	tools/test

soak: setup setup-test ## try random rulesets on the kernel: LOOPGATE_SECONDS (600), LOOPGATE_COUNT, LOOPGATE_SEED
	$(CARGO) run --release --locked --package loopgate-test-differential --bin loopgate-soak
	@$(MAKE) --no-print-directory fuzz

fuzz: setup-test ## run every fuzz target for LOOPGATE_FUZZ_SECONDS (60) each, where cargo-fuzz is installed
	tools/fuzz

lint: setup ## formatter, clippy and documentation, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items

bench: setup ## print speed as ratios against ss and nft, measured in the same run
	$(CARGO) build --release --locked --package loopgate
	tools/bench

setup: ## get a toolchain that compiles for WebAssembly
	@tools/setup

setup-test: ## get the programs that the tests compare with
	@tools/setup-test

fmt: ## format everything
	$(CARGO) fmt --all

doc: ## build the documentation of every crate
	$(CARGO) doc --workspace --no-deps

clean: ## remove everything that was built
	$(CARGO) clean
