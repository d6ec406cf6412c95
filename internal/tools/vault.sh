#!/bin/sh
# Builds the Vault server for the tests, unless it is there, into a cache outside
# the tree: the tests look for it on the PATH and in that cache. Needs Go and
# about ten minutes on two cores, once; then nothing.
set -eu
cd "$(dirname "$0")/vault"

version=$(sed -n 's|^require github.com/hashicorp/vault v||p' go.mod)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/certform/vault-$version
if [ ! -x "$cache/vault" ]; then
	mkdir -p "$cache"
	# Beside its place and renamed, so that an interrupted build leaves nothing.
	part=$cache/vault.$$
	trap 'rm -f "$part"' EXIT
	# Vault's own tag: without the storages and the databases that tests never ask for.
	go build -p 2 -tags minimal -trimpath -ldflags '-s -w' -o "$part" github.com/hashicorp/vault
	mv "$part" "$cache/vault"
fi
echo "$cache/vault"
