# shellcheck shell=dash
# Prints the value of each kernel setting, and whether it can be set from here. `cat`, because `read` takes
# bytes one by one, and proc(5) gives a number once and then its end.
kernel_settings() {
  for file in "$@"; do
    value=$(cat -- "$file") || continue
    mode=rw
    [ -w "$file" ] || mode=ro
    echo "=setting $file $mode $value"
  done
}
