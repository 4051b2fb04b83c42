# Looks at the machine for helpers/setup: what is installed, whether the helpers and the launcher are as they should be.
# Nothing here changes anything.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables are shared with setup

# One need on each line: its name in has(), then its packages for apt, dnf, apk, pacman and xbps. "a,b" is two packages,
# "-" is none known. A single column is the package's name everywhere; without one it has the need's name. ";" ends a line.
NEEDS='
make; patch; perl; tar; bzip2
xz       xz-utils      xz             xz           xz       xz
c++      g++           gcc-c++        g++          gcc      gcc
cc       gcc,libc6-dev,linux-libc-dev gcc,glibc-devel,kernel-headers gcc,musl-dev,linux-headers gcc,linux-api-headers gcc
python   python3       python3        python3      python   python3
venv     python3-venv  python3        python3      python   python3
headers  python3-dev   python3-devel  python3-dev  python   python3-devel
libcap   libcap-dev    libcap-devel   libcap-dev   libcap   libcap-devel
setcap   libcap2-bin   libcap         libcap       libcap   libcap-progs
musl     musl-tools    musl-gcc       -            musl     -
certs    ca-certificates'
TEST_NEEDS='
cmake; meson; strace; stow; git; chromium; busybox; bwrap bubblewrap; setfacl acl; zip; unzip; zstd; lzip
bsdtar      libarchive-tools bsdtar          libarchive-tools libarchive bsdtar
ninja       ninja-build  ninja-build         ninja    ninja    ninja
pkg-config  pkgconf      pkgconf-pkg-config  pkgconf  pkgconf  pkg-config'

# A Python program that prints what setup wants to know of a Python. It fails if that Python is too old, or if others
# cannot read it: a .venv made from one below /root is useless to the build user.
PROBE='
import os, shlex, sys, sysconfig
from importlib.util import find_spec
exe = os.path.realpath(sys.executable)
for path, need in (exe, 5), (os.path.realpath(os.__file__), 4):
    while os.stat(path).st_mode & need == need and path != "/":
        path, need = os.path.dirname(path), 1
    if path != "/" or sys.version_info < (3, 11):
        sys.exit(1)
print("PY=" + shlex.quote(exe), "PYVER=%d.%d.%d" % sys.version_info[:3], "PYNAME=python%d.%d" % sys.version_info[:2],
      "PYINC=" + shlex.quote(sysconfig.get_config_var("INCLUDEPY")),
      "PYVENV=%d" % all(map(find_spec, ("venv", "ensurepip"))))'

# Tells whether a program is on the PATH.
there() { # PROGRAM
	command -v "$1" >/dev/null 2>&1
}

# Prints a directory and all above it, one on each line: who can write to one of them can replace what is below.
components() { # DIRECTORY
	dir=$(CDPATH='' cd -- "$1" && pwd -P)
	while [ -n "$dir" ]; do
		printf '%s\n' "$dir"
		dir=${dir%/*}
	done
	echo /
}

# --- programs and packages

# Sets what PROBE prints for the first Python that will do, and found to that text; PY is empty if there is none.
find_python() {
	PY='' PYVENV=0 found=''
	for candidate in /usr/bin/python3 /usr/local/bin/python3 python3.14 python3.13 python3.12 python3.11; do
		if there "$candidate" && found=$("$candidate" -I -S -c "$PROBE" 2>/dev/null); then
			eval "$found"
			return
		fi
	done
}

# Sets installer, manager and column for the package manager of this machine. All but column are empty if it is unknown.
find_manager() {
	column=0
	for installer in 'apt-get install -y --no-install-recommends' 'dnf install -y' 'apk add' \
		'pacman -S --needed --noconfirm' 'xbps-install -Sy' ''; do
		column=$((column + 1))
		manager=${installer%% *}
		if [ -n "$manager" ] && there "$manager"; then
			return
		fi
	done
}

# Tells whether a need is met. It looks for the thing itself, whoever installed it.
has() { # NEED
	case $1 in
	cc) there cc && [ -e /usr/include/stdio.h ] && [ -e /usr/include/linux/capability.h ] ;;
	python) [ -n "$PY" ] ;;
	venv) [ "$PYVENV" = 1 ] ;;
	headers) [ -n "$PY" ] && [ -e "$PYINC/Python.h" ] ;;
	libcap) [ -e /usr/include/sys/capability.h ] ;;
	perl) perl -MFile::Copy -e 1 >/dev/null 2>&1 ;; # a part of perl is essential on Debian
	certs) has_certificates ;;
	musl) there musl-gcc || makes_musl_programs ;;
	*) there "$1" ;;
	esac
}

# Tells whether there is a list of certificates, by the names that Debian, Fedora and Alpine give it.
has_certificates() {
	[ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || [ -e /etc/ssl/cert.pem ]
}

# Tells whether the libc of this machine is musl, so that cc needs no wrapper for it.
makes_musl_programs() {
	case $(cc -dumpmachine 2>/dev/null) in
	*musl*) ;;
	*) return 1 ;;
	esac
}

# Prints all needs that are not met, on one line: as packages of this machine's manager, or by their names in NEEDS.
lacking() { # packages|things
	list_needs | while read -r thing columns; do
		if [ -z "$thing" ] || has "$thing"; then
			continue
		fi
		package=$(package_of "$thing" "$columns")
		if [ "$package" = - ]; then
			continue
		elif [ "$1" = packages ]; then
			echo "$package"
		else
			echo "$thing"
		fi
	done | tr ',\n' '  ' | sed 's/ $//'
}

# Prints the lines of NEEDS, and those of TEST_NEEDS where tests are to run.
list_needs() {
	{
		printf '%s\n' "$NEEDS"
		if [ "$mode" = test ]; then
			printf '%s\n' "$TEST_NEEDS"
		fi
	} | tr ';' '\n'
}

# Prints the package of a need, from the columns of its line.
package_of() { # NEED COLUMNS
	need=$1
	# shellcheck disable=SC2086 # the columns are words
	set -- ${2:-$1}
	if [ $# != 1 ]; then
		shift $((column - 1))
	fi
	echo "${1:-$need}"
}

# Prints the command that installs what is missing, for a person to run.
by_hand() {
	if [ -n "$manager" ]; then
		echo "$installer $(lacking packages)  # as root"
	else
		echo "your package manager, for: $(lacking things)"
	fi
}

# --- helpers, user, launcher

# Prints a checksum of the sources. It tells what has drifted, and need not be cryptographic: who could forge one could
# as well change the file itself.
source_sum() {
	cat "$tree"/helpers/Makefile "$tree"/helpers/*.[ch] | cksum
}

# Prints a checksum of the programs, in the same sense.
content_sum() { # DIRECTORY
	cat "$1/xsrc-mount" "$1/xsrc-chroot" 2>/dev/null | cksum
}

# Tells whether a directory holds, unharmed, what this checkout's sources compile to. Sets how (caps or plain) and content.
copies_ok() { # STAMP DIRECTORY
	[ -r "$1" ] || return 1
	{ read -r sources && read -r content && read -r how; } <"$1" || return 1
	[ "$sources" = "$(source_sum)" ] && [ "$content" = "$(content_sum "$2")" ]
}

# Tells whether a file has an owner, group and mode, and exactly these capabilities if any are named.
file_ok() { # FILE OWNER:GROUP:MODE CAPABILITIES
	[ "$(stat -c %U:%G:%a "$1" 2>/dev/null)" = "$2" ] || return 1
	[ -z "$3" ] || setcap -q -v "$3" "$1" >/dev/null 2>&1
}

# Tells whether the helpers in LIBEXEC are as setup leaves them: the plain ones, and those with capabilities if it made any.
helpers_ok() {
	plain_helpers_ok || return 1
	[ "$how" = plain ] || capable_helpers_ok
}

# Tells whether the plain helpers are of these sources and root's. Sets how and content.
plain_helpers_ok() {
	copies_ok "$LIBEXEC/stamp" "$LIBEXEC/plain" &&
		file_ok "$LIBEXEC/plain/xsrc-mount" root:root:755 '' &&
		file_ok "$LIBEXEC/plain/xsrc-chroot" root:root:755 ''
}

# Tells whether the helpers with capabilities are the same programs as the plain ones. Who is not in the group cannot read
# them; for them owner and capabilities must do.
capable_helpers_ok() {
	file_ok "$LIBEXEC/xsrc-mount" "root:$GROUP:750" "$MOUNT_CAPS" || return 1
	file_ok "$LIBEXEC/xsrc-chroot" "root:$GROUP:750" "$CHROOT_CAPS" || return 1
	[ ! -r "$LIBEXEC/xsrc-mount" ] || [ "$content" = "$(content_sum "$LIBEXEC")" ]
}

# Tells whether the build user exists with the build group as its own.
user_ok() {
	[ "$(id -gn "$GROUP" 2>/dev/null)" = "$GROUP" ]
}

# Tells whether a user may run the helpers: by the data base of users, so also before the next login.
member() { # USER
	[ "$1" != root ] || return 0
	case " $(id -nG "$1") " in
	*" $GROUP "*) ;;
	*) return 1 ;;
	esac
}

# Prints the second line of the launcher that this checkout writes. It differs whenever the launcher differs.
launcher_mark() {
	echo "# xsrc launcher $(cat "$tree/helpers/trust.sh" "$tree/helpers/launcher.sh" | cksum), written by helpers/setup"
}

# Prints what a file is that may be the launcher: none, foreign, old or current.
launcher_state() { # FILE
	if [ ! -e "$1" ]; then
		echo none
		return
	fi
	line=''
	{ read -r line && read -r line; } <"$1" 2>/dev/null || :
	case $line in
	"$(launcher_mark)") echo current ;;
	'# xsrc launcher '*) echo old ;;
	*) echo foreign ;;
	esac
}

# Prints what only root can do and is not done yet, for people to read.
left_for_root() {
	text=$(lacking packages)
	text=${text:+, packages $text}
	user_ok || text="$text, user $GROUP"
	helpers_ok || text="$text, helpers in $LIBEXEC"
	{ user_ok && member "$caller"; } || text="$text, $caller in group $GROUP"
	case $(launcher_state "$BIN/xsrc") in
	none | old) text="$text, $BIN/xsrc" ;;
	esac
	echo "${text#, }"
}
