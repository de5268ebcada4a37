# shellcheck shell=dash
# Prints the value of each kernel setting, and whether it can be set from here. `cat`, because `read` takes
# bytes one by one, and proc(5) gives a number once and then its end. Opened, and not tested with `-w`, which
# holds for root under busybox even where a container can only read.
kernel_settings() {
  for file in "$@"; do
    value=$(cat -- "$file") || continue
    mode=rw
    true >>"$file" || mode=ro
    echo "=setting $file $mode $value"
  done
}
