# The user's part of helpers/setup: .venv in the checkout, and below the home what root did not install.
# shellcheck shell=sh
# shellcheck disable=SC2015,SC2034,SC2154 # "a && b || c" is meant as it reads; variables are shared with setup

user_part() {
	has python && has cc && has make || die "no root to install: $(lacking things)" "$(by_hand)"
	last_word='' where=$LIBEXEC/plain
	if [ "$no_root" = 1 ] || ! helpers_ok; then
		where=$data/libexec
		home_helpers
	fi
	make_venv
	# xsrc of root turns into another user before most of it is read, who could not keep what Python compiles
	"$tree/.venv/bin/python" -I -m compileall -q "$tree/xsrc" || :
	user_launcher
	say_what_is_missing
	say_what_builds_use
	say "ready${last_word:+; $last_word}"
}

# Installs plain helpers below the home, where root's are missing or another version.
home_helpers() {
	copies_ok "$where/stamp" "$where" && return
	mkdir -p "$where"
	compile
	for program in xsrc-mount xsrc-chroot; do put $program "$where" "$(id -un)" "$(id -gn)" 755 ''; done
	write_stamp "$where/stamp" "$where" plain && how=plain
}

# --- .venv

# Makes .venv with all that the locks list, unless it is there and was made from the same Python, locks and directory.
make_venv() {
	venv=$tree/.venv wheels=''
	want="2 $(cat "$tree/pyproject.toml" "$tree"/helpers/*.lock | cksum) $PY $PYVER $tree"
	line=$(cat "$venv/.setup" 2>/dev/null || :)
	[ "$line" != "$want test" ] && [ "$line" != "$want $mode" ] || return 0
	[ -w "$tree" ] || die "$tree is not yours: no .venv can be made in it" "su -c $(quote "$(quote "$tree/helpers/setup")")"
	has headers && has libcap && has venv || private_packages
	venv_ok || new_venv
	rm -f "$venv/.setup"
	say "installing into .venv what helpers/$mode.lock lists"
	fill_venv && "$venv/bin/python" -I -c 'import plumbum, prctl, xattr' ||
		die "pip could not install xsrc and what it needs" "sh -x $(quote "$tree/helpers/setup") $test_flag"
	echo "$want $mode" >"$venv/.setup"
}

# Tells whether .venv has a pip, and runs the Python that setup found: then both print the same.
venv_ok() { [ "$("$venv/bin/python" -I -S -c "$PROBE" 2>/dev/null)" = "$found" ] && [ -e "$venv/bin/pip" ]; }

# Makes an empty .venv. Without the module ensurepip, pip comes from the wheels of private_packages.
new_venv() {
	[ ! -e "$venv" ] || say "removing .venv, which is not whole or was made from another Python"
	rm -rf "$venv"
	say "making .venv from $PY"
	"$PY" -I -m venv ${wheels:+--without-pip} "$venv" || die "$PY cannot make $venv" "$PY -m venv $(quote "$venv")"
	[ -z "$wheels" ] || "$venv/bin/python" -I "$(echo "$wheels"/pip-*.whl)/pip" install -q --no-index -f "$wheels" pip
}

# Installs only files whose checksums are in helpers/*.lock. pip would fetch what builds packages without wheels unpinned,
# and run it; so that is installed first, and pip builds without isolation.
fill_venv() {
	(cd "$tree" && pip --require-hashes -r helpers/build.lock &&
		pip --require-hashes --no-build-isolation -r "helpers/$mode.lock" &&
		pip --no-index --no-deps --no-build-isolation -e .)
}
pip() { PIP_ROOT_USER_ACTION=ignore "$venv/bin/python" -I -m pip install -q --use-pep517 "$@" </dev/null; }

# --- packages without root

# Fetches packages with apt and unpacks them below the home, for a machine that lacks what .venv is built with. The
# compiler finds them by CPATH and LIBRARY_PATH: -I in CFLAGS would not reach the cpp that setup.py of python-prctl calls.
private_packages() {
	dev=$data/dev
	packages=$(private_needs | tr '\n' ' ')
	[ -z "$packages" ] || unpack_packages
	link_libcap
	export CPATH="$dev/usr/include:$dev$PYINC${CPATH:+:$CPATH}"
	has venv || wheels=$dev/usr/share/python-wheels
}

# Prints the packages of Debian that have what is missing here and below $dev.
private_needs() {
	has headers || [ -e "$dev$PYINC/Python.h" ] || echo "lib$PYNAME-dev $PYNAME-dev"
	has libcap || [ -e "$dev/usr/include/sys/capability.h" ] || echo libcap-dev
	has venv || [ -d "$dev/usr/share/python-wheels" ] || echo python3-pip-whl
}

# Downloads packages, with the lists of the system or with lists of its own if those are old or absent, and unpacks them.
unpack_packages() {
	there dpkg-deb || die "no root to install: $(lacking things)" "$(by_hand)"
	say "unpacking below $dev: $packages"
	mkdir -p "$dev" "$tmp/deb" "$tmp/lists/partial" "$tmp/archives/partial"
	own="-o Dir::State::lists=$tmp/lists -o Dir::Cache=$tmp"
	# shellcheck disable=SC2086 # words
	(cd "$tmp/deb" && { apt-get download $packages || { apt-get $own update && apt-get $own download $packages; }; }) \
		>"$tmp/log" 2>&1 || { show_log && die "no root to install, and apt-get download failed" "$(by_hand)"; }
	for deb in "$tmp"/deb/*.deb; do dpkg-deb -x "$deb" "$dev"; done
}

# Mends the unpacked link libcap.so, which leads to a libcap.so.2 beside it: only the system has that one.
link_libcap() {
	for link in "$dev"/usr/lib/*/libcap.so; do
		real=/lib/$(basename "${link%/*}")/libcap.so.2
		[ -e "$link" ] || [ ! -e "$real" ] || ln -sf "$real" "$link"
		export LIBRARY_PATH="${link%/*}${LIBRARY_PATH:+:$LIBRARY_PATH}"
	done
}

# --- launcher

# Writes the launcher below the home if no current one is installed, and says what keeps the user from finding it.
user_launcher() {
	for dir in "$BIN" "$HOME/.local/bin" "$HOME/bin" ''; do [ "$(launcher_state "$dir/xsrc")" != current ] || break; done
	[ -n "$dir" ] || new_user_launcher
	first=$(command -v xsrc || :)
	case :$PATH: in
	*":$dir:"*) case $first in "$dir/xsrc" | "$tree"/*) ;; *) say "$first comes before $dir/xsrc in your PATH" ;; esac ;;
	*) last_word="to have xsrc on your PATH now, run: export PATH=\"$dir:\$PATH\"" ;;
	esac
}

# Writes the launcher into a directory of the user's on the PATH, or into one that the next login puts there. Sets dir.
new_user_launcher() {
	dir=$HOME/.local/bin
	case :$PATH: in
	*":$dir:"*) ;;
	*":$HOME/bin:"*) dir=$HOME/bin ;;
	*) add_to_profile ;;
	esac
	[ "$(launcher_state "$dir/xsrc")" != foreign ] ||
		die "$dir/xsrc is another program" "mv $(quote "$dir/xsrc") $(quote "$dir/xsrc.other")"
	mkdir -p "$dir" && write_launcher "$dir"
}

# Puts ~/.local/bin on the PATH of the next login.
add_to_profile() {
	# shellcheck disable=SC2016 # expanded at login
	grep -qs '\.local/bin' "$HOME/.profile" || {
		echo 'PATH="$HOME/.local/bin:$PATH" # xsrc' >>"$HOME/.profile" && say "put $dir on the PATH in $HOME/.profile"
	}
}

# --- last words

# Names the missing things that builds need, all on one line. Those that only setup needs are left out.
say_what_is_missing() {
	for thing in $(lacking things); do
		case $thing in venv | headers | libcap | setcap | musl) ;; *) say "missing: $thing; run: $(by_hand)" && break ;; esac
	done
}

say_what_builds_use() {
	if [ "$how" = plain ]; then say "builds use a user namespace and the helpers in $where"
	elif [ "$me" = root ]; then say "builds of root run as user $GROUP with the helpers in $LIBEXEC"
	elif ! member "$me"; then say "$me is not in group $GROUP: builds use a user namespace; run: usermod -aG $GROUP $me  # as root"
	elif [ -x "$LIBEXEC/xsrc-mount" ]; then say "builds use the helpers in $LIBEXEC"
	else say "group $GROUP takes effect at your next login; until then builds use a user namespace"; fi
}
