# Runs the xsrc of the checkout that the current directory is in, or of $fallback outside of any. The code runs as the
# caller, so the checkout must be one that nobody but the caller and root can change; another is an error, and never a
# reason to take the next one. helpers/setup writes this program: #!/bin/sh, a mark, fallback=DIR, trust.sh, launcher.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2012 # fallback; what ls says of strange names is never taken for good

# Ends the launcher with what is wrong and what to do about it.
fail() { # PROBLEM HINT
	printf 'xsrc: error: %s\n  hint: %s\n' "$1" "$2" >&2
	exit 4
}

# Sets tree to the checkout that the current directory is in, or to the one that setup named.
find_tree() {
	cd -P . 2>/dev/null || : # without links in PWD: others could change where they lead
	tree=${PWD%/}
	while [ -n "$tree" ] && ! is_checkout "$tree"; do
		tree=${tree%/*}
	done
	tree=${tree:-$fallback}
	[ -f "$tree/xsrc/__main__.py" ] || fail "no checkout here, and none that you can read at $tree" 'cd into a checkout'
	[ -x "$tree/.venv/bin/python" ] || fail "$tree has no .venv" "$(quote "$tree/helpers/setup")"
}

# Tells whether a directory looks like a checkout of xsrc; whose it is comes later.
is_checkout() { # DIRECTORY
	[ -f "$1/xsrc/__main__.py" ] && [ -d "$1/templates" ]
}

# Fails if somebody else could change the code. What lies deeper was written by whoever owns these directories.
check_tree() {
	set -- "$tree" "$tree/xsrc" "$tree/xsrc/__main__.py" "$tree/.venv" "$tree/.venv/bin"
	above=$tree
	while [ -n "$above" ]; do
		above=${above%/*}
		set -- "$@" "${above:-/}"
	done
	listed=$(LC_ALL=C ls -ldnL -- "$@") || fail "cannot look at $tree" "ls -ld $(quote "$tree")"
	other_writer "$tree" <<-END
		$listed
	END
	if [ -n "$problem" ] && ! vouched "$tree"; then
		fail "$problem, so the code in $tree/xsrc is not run" \
			"${mend:-cd into a checkout of your own}; or, if you trust all who can write there: export XSRC_SAFE_DIRECTORIES=$(quote "$tree")"
	fi
}

find_tree
check_tree
exec "$tree/.venv/bin/python" -I -X utf8 -m xsrc "$@"
