# The user's part of helpers/setup: .venv in the checkout, and below the home what root did not install.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables are shared with setup

# Does all that needs no root. Sets where to the directory of the plain helpers that builds of this user would take.
user_part() {
	if ! { has python && has cc && has make; }; then
		die "no root to install: $(lacking things)" "$(by_hand)"
	fi
	last_word=''
	where=$LIBEXEC/plain
	if [ "$no_root" = 1 ] || ! helpers_ok; then
		where=$data/libexec
		home_helpers
	fi
	make_venv
	compile_modules
	user_launcher
	say_what_is_missing
	say_what_builds_use
	say "ready${last_word:+; $last_word}"
}

# Compiles xsrc for Python now: xsrc of root turns into another user before most of it is read, who could not keep what
# Python compiles.
compile_modules() {
	"$tree/.venv/bin/python" -I -m compileall -q "$tree/xsrc" || :
}

# Installs plain helpers below the home, where root's are missing or another version.
home_helpers() {
	if copies_ok "$where/stamp" "$where"; then
		return
	fi
	mkdir -p "$where"
	compile
	put xsrc-mount "$where" "$(id -un)" "$(id -gn)" 755 ''
	put xsrc-chroot "$where" "$(id -un)" "$(id -gn)" 755 ''
	write_stamp "$where/stamp" "$where" plain
	how=plain
}

# --- .venv

# Makes .venv with all that the locks list, unless it is there and was made from the same Python, locks and directory.
make_venv() {
	venv=$tree/.venv wheels=''
	want="2 $(cat "$tree/pyproject.toml" "$tree"/helpers/*.lock | cksum) $PY $PYVER $tree"
	if venv_is_current; then
		return
	fi
	if ! [ -w "$tree" ]; then
		die "$tree is not yours: no .venv can be made in it" "su -c $(quote "$(quote "$tree/helpers/setup")")"
	fi
	if ! { has headers && has libcap && has venv; }; then
		private_packages
	fi
	venv_ok || new_venv
	rm -f "$venv/.setup"
	say "installing into .venv what helpers/$mode.lock lists"
	if ! { fill_venv && "$venv/bin/python" -I -c 'import plumbum, prctl, xattr'; }; then
		die "pip could not install xsrc and what it needs" "sh -x $(quote "$tree/helpers/setup") $test_flag"
	fi
	echo "$want $mode" >"$venv/.setup"
}

# Tells whether .venv was filled from what want says. One that was filled for tests has all that others need.
venv_is_current() {
	line=$(cat "$venv/.setup" 2>/dev/null || :)
	[ "$line" = "$want test" ] || [ "$line" = "$want $mode" ]
}

# Tells whether .venv has a pip, and runs the Python that setup found: then both print the same.
venv_ok() {
	[ "$("$venv/bin/python" -I -S -c "$PROBE" 2>/dev/null)" = "$found" ] && [ -e "$venv/bin/pip" ]
}

# Makes an empty .venv. Without the module ensurepip, pip comes from the wheels of private_packages.
new_venv() {
	if [ -e "$venv" ]; then
		say "removing .venv, which is not whole or was made from another Python"
	fi
	rm -rf "$venv"
	say "making .venv from $PY"
	if ! "$PY" -I -m venv ${wheels:+--without-pip} "$venv"; then
		die "$PY cannot make $venv" "$PY -m venv $(quote "$venv")"
	fi
	if [ -n "$wheels" ]; then
		"$venv/bin/python" -I "$(echo "$wheels"/pip-*.whl)/pip" install -q --no-index -f "$wheels" pip
	fi
}

# Installs only files whose checksums are in helpers/*.lock. pip would fetch what builds packages without wheels unpinned,
# and run it; so that is installed first, and pip builds without isolation.
fill_venv() {
	(
		cd "$tree" &&
			pip --require-hashes -r helpers/build.lock &&
			pip --require-hashes --no-build-isolation -r "helpers/$mode.lock" &&
			pip --no-index --no-deps --no-build-isolation -e .
	)
}

# Runs pip of .venv, which must ask nothing: without a terminal, as root too.
pip() { # ARGUMENT...
	PIP_ROOT_USER_ACTION=ignore "$venv/bin/python" -I -m pip install -q --use-pep517 "$@" </dev/null
}

# --- packages without root

# Fetches packages with apt and unpacks them below the home, for a machine that lacks what .venv is built with. The
# compiler finds them by CPATH and LIBRARY_PATH: -I in CFLAGS would not reach the cpp that setup.py of python-prctl calls.
private_packages() {
	dev=$data/dev
	packages=$(private_needs | tr '\n' ' ')
	if [ -n "$packages" ]; then
		unpack_packages
	fi
	link_libcap
	export CPATH="$dev/usr/include:$dev$PYINC${CPATH:+:$CPATH}"
	if ! has venv; then
		wheels=$dev/usr/share/python-wheels
	fi
}

# Prints the packages of Debian that have what is missing here and below $dev.
private_needs() {
	has headers || [ -e "$dev$PYINC/Python.h" ] || echo "lib$PYNAME-dev $PYNAME-dev"
	has libcap || [ -e "$dev/usr/include/sys/capability.h" ] || echo libcap-dev
	has venv || [ -d "$dev/usr/share/python-wheels" ] || echo python3-pip-whl
}

# Downloads packages and unpacks them below $dev. Their scripts, which want root, are not run.
unpack_packages() {
	if ! there dpkg-deb; then
		die "no root to install: $(lacking things)" "$(by_hand)"
	fi
	say "unpacking below $dev: $packages"
	mkdir -p "$dev" "$tmp/deb" "$tmp/lists/partial" "$tmp/archives/partial"
	if ! download_packages >"$tmp/log" 2>&1; then
		show_log
		die "no root to install, and apt-get download failed" "$(by_hand)"
	fi
	for deb in "$tmp"/deb/*.deb; do
		dpkg-deb -x "$deb" "$dev"
	done
}

# Downloads packages with the lists of the system, or with lists of its own if those are old or absent.
download_packages() {
	own="-o Dir::State::lists=$tmp/lists -o Dir::Cache=$tmp"
	# shellcheck disable=SC2086 # words
	(
		cd "$tmp/deb" || exit 1
		apt-get download $packages && exit 0
		apt-get $own update && apt-get $own download $packages
	)
}

# Mends the unpacked link libcap.so, which leads to a libcap.so.2 beside it: only the system has that one.
link_libcap() {
	for link in "$dev"/usr/lib/*/libcap.so; do
		real=/lib/$(basename "${link%/*}")/libcap.so.2
		if ! [ -e "$link" ] && [ -e "$real" ]; then
			ln -sf "$real" "$link"
		fi
		export LIBRARY_PATH="${link%/*}${LIBRARY_PATH:+:$LIBRARY_PATH}"
	done
}

# --- launcher

# Writes the launcher below the home if no current one is installed, and says what keeps the user from finding it.
user_launcher() {
	for dir in "$BIN" "$HOME/.local/bin" "$HOME/bin" ''; do
		if [ "$(launcher_state "$dir/xsrc")" = current ]; then
			break
		fi
	done
	if [ -z "$dir" ]; then
		new_user_launcher
	fi
	if on_path "$dir"; then
		warn_of_other_xsrc
	else
		last_word="to have xsrc on your PATH now, run: export PATH=\"$dir:\$PATH\""
	fi
}

# Tells whether a directory is on the PATH.
on_path() { # DIRECTORY
	case :$PATH: in
	*":$1:"*) ;;
	*) return 1 ;;
	esac
}

# Says which program the shell would run in place of the launcher; one of this checkout will do.
warn_of_other_xsrc() {
	first=$(command -v xsrc || :)
	case $first in
	"$dir/xsrc" | "$tree"/*) ;;
	*) say "$first comes before $dir/xsrc in your PATH" ;;
	esac
}

# Writes the launcher into a directory of the user's on the PATH, or into one that the next login puts there. Sets dir.
new_user_launcher() {
	dir=$HOME/.local/bin
	if ! on_path "$dir"; then
		if on_path "$HOME/bin"; then
			dir=$HOME/bin
		else
			add_to_profile
		fi
	fi
	if [ "$(launcher_state "$dir/xsrc")" = foreign ]; then
		die "$dir/xsrc is another program" "mv $(quote "$dir/xsrc") $(quote "$dir/xsrc.other")"
	fi
	mkdir -p "$dir"
	write_launcher "$dir"
}

# Puts ~/.local/bin on the PATH of the next login.
add_to_profile() {
	if ! grep -qs '\.local/bin' "$HOME/.profile"; then
		# shellcheck disable=SC2016 # expanded at login
		echo 'PATH="$HOME/.local/bin:$PATH" # xsrc' >>"$HOME/.profile"
		say "put $dir on the PATH in $HOME/.profile"
	fi
}

# --- last words

# Names the missing things that builds need, all on one line. Those that only setup needs are left out.
say_what_is_missing() {
	for thing in $(lacking things); do
		case $thing in
		venv | headers | libcap | setcap | musl) ;;
		*)
			say "missing: $thing; run: $(by_hand)"
			break
			;;
		esac
	done
}

# Says how builds of this user are shut in, and what would change that.
say_what_builds_use() {
	if [ "$how" = plain ]; then
		say "builds use a user namespace and the helpers in $where"
	elif [ "$me" = root ]; then
		say "builds of root run as user $GROUP with the helpers in $LIBEXEC"
	elif ! member "$me"; then
		say "$me is not in group $GROUP: builds use a user namespace; run: usermod -aG $GROUP $me  # as root"
	elif [ -x "$LIBEXEC/xsrc-mount" ]; then
		say "builds use the helpers in $LIBEXEC"
	else
		say "group $GROUP takes effect at your next login; until then builds use a user namespace"
	fi
}
