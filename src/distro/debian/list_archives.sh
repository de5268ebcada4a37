# shellcheck shell=dash
# No parameters. Prints `== name`, then the file.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ -r "$file" ] || continue
  echo "== $file"
  cat "$file"
  echo
done
