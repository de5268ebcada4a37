# shellcheck shell=dash
# Enables and starts the unit $1, and records what it was before.
start_unit() {
  was="$(systemctl is-enabled "$1" 2>/dev/null || :) $(systemctl is-active "$1" 2>/dev/null || :)"
  ledger "{\"did\":\"started-unit\",\"name\":\"$(json "$1")\",\"was\":\"$(json "$was")\"}"
  systemctl enable --now "$1"
}
