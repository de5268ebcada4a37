# shellcheck shell=dash
# Installs those of its arguments that are missing, and records them. `installed` and `install_packages` are
# programs of the package manager.
install_missing() {
  missing=
  for name; do [ -n "$(installed "$name")" ] || missing="$missing $name"; done
  [ -n "$missing" ] || return 0
  ledger "{\"did\":\"installed-packages\",\"names\":\"${missing# }\"}"
  # shellcheck disable=SC2086 # names
  install_packages $missing
}
