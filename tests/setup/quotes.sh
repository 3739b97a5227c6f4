#!/usr/bin/env bash
# quotes.sh SOURCE: what documents quote is what the files hold. "<!-- quotes FILE -->" stands above a fenced block whose text must be in FILE, line by line.
set -euo pipefail
cd "$1"
wrong=0 looked=0
while IFS=: read -r document line file; do
  block=$(sed -n "$((line + 1)),\$p" "$document" | awk '/^```/ { if (inside) exit; inside = 1; next } inside')
  looked=$((looked + 1))
  [ -n "$block" ] || { echo "$document:$line: no fenced block follows" && wrong=1 && continue; }
  text=$(cat "$file") || { wrong=1 && continue; }
  case $text in
    *"$block"*) ;;
    *) echo "$document:$line: its block is not what $file holds; quote it anew" && wrong=1 ;;
  esac
done < <(grep -rn --include=*.md -o '^<!-- quotes [^ ]* -->' README.md CONTRIBUTING.md engine plugins pipelines data tests tools | sed 's/<!-- quotes \(.*\) -->/\1/')
[ "$looked" -gt 0 ] || { echo "no document quotes anything" && exit 1; }
echo "$looked quotes looked at"
exit $wrong
