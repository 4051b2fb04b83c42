# Root's part of helpers/setup: packages, the build user, the helpers with capabilities, the launcher for everybody.
# shellcheck shell=sh
# shellcheck disable=SC2015,SC2034,SC2154 # "a && b || c" is meant as it reads; variables are shared with setup

MOUNT_CAPS=cap_sys_admin,cap_net_admin=ep
CHROOT_CAPS=cap_sys_chroot=ep

privileged_part() {
	install_packages
	make_group
	make_user
	add_caller
	install_helpers
	install_launcher
}

# --- packages

# Installs what is missing. Only what setup itself cannot do without is an error.
install_packages() {
	missing=$(lacking packages)
	[ -n "$missing" ] || return 0
	[ -n "$manager" ] || die "no package manager that setup knows; missing: $(lacking things)" "$(by_hand)"
	say "installing with $manager: $missing"
	run_installer
	find_python
	for thing in $(lacking things); do
		case $thing in
		cc | make | patch | tar | venv | headers | libcap | setcap | certs) ;;
		python) thing='Python 3.11 or newer that every user can read' ;;
		*) say "$manager could not install $thing; going on without" && continue ;;
		esac
		show_log
		die "still missing after $manager: $thing" "$(by_hand)"
	done
}

# Runs the package manager: for all packages, then once more with new lists (an image of a container may have none),
# then one by one, because some optional package may not exist here.
run_installer() {
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # words
	{
		$installer $missing || {
			[ "$manager" != apt-get ] || apt-get update || :
			$installer $missing || for package in $missing; do $installer "$package" || :; done
		}
	} >"$tmp/log" 2>&1
}

# --- the build user; each with the tools of shadow, or those of busybox

make_group() {
	grep -q "^$GROUP:" /etc/group ||
		{ say "making group $GROUP" && there groupadd && groupadd -r "$GROUP" || addgroup -S "$GROUP"; }
}

# Makes the user who runs the builds of root, without a home and without a login.
make_user() {
	shell=$(command -v nologin || echo /bin/false)
	id "$GROUP" >/dev/null 2>&1 || {
		say "making user $GROUP, who runs the builds of root"
		there useradd && useradd -r -M -g "$GROUP" -d /nonexistent -s "$shell" "$GROUP" ||
			adduser -S -D -H -G "$GROUP" -h /nonexistent -s "$shell" "$GROUP"
	}
	user_ok || die "the primary group of user $GROUP is not $GROUP" "usermod -g $GROUP $GROUP"
}

# Lets the caller of sudo run the helpers with capabilities.
add_caller() {
	member "$caller" ||
		{ say "adding $caller to group $GROUP" && there usermod && usermod -aG "$GROUP" "$caller" || addgroup "$caller" "$GROUP"; }
}

# --- helpers

# Installs the plain helpers, and those with capabilities where the machine allows them.
install_helpers() {
	mkdir -p "$LIBEXEC/plain" "$BIN"
	because=$(no_caps_because) to_be=caps
	[ -z "$because" ] || to_be=plain
	helpers_ok && [ "$how" = $to_be ] && return
	compile
	for program in xsrc-mount xsrc-chroot; do put $program "$LIBEXEC/plain" root root 755 ''; done
	[ -n "$because" ] || give_capabilities
	[ -z "$because" ] || {
		rm -f "$LIBEXEC/xsrc-mount" "$LIBEXEC/xsrc-chroot"
		say "no capabilities: $because; builds will use a user namespace" && to_be=plain
	}
	write_stamp "$LIBEXEC/stamp" "$LIBEXEC/plain" $to_be
}

# Installs the helpers with capabilities and tries them. Sets because if they do not work here.
give_capabilities() {
	put xsrc-chroot "$LIBEXEC" root "$GROUP" 750 "$CHROOT_CAPS" && put xsrc-mount "$LIBEXEC" root "$GROUP" 750 "$MOUNT_CAPS" ||
		{ because='setcap is refused here' && return; }
	# A container without these capabilities refuses to start such a file at all: the shell exits 126, the helper 125.
	su -s /bin/sh "$GROUP" -c "$LIBEXEC/xsrc-mount" </dev/null >/dev/null 2>&1 ||
		[ $? != 126 ] || because='this container withholds cap_sys_admin'
}

# Prints why file capabilities in LIBEXEC would be ignored or unsafe, and what mends it; nothing if they are fine.
no_caps_because() {
	why=$(nosuid_mount)
	[ -n "$why" ] || why=$(components "$LIBEXEC" | while read -r dir; do closed_to_others "$dir" || break; done)
	echo "$why"
}

# Prints the mount that LIBEXEC lies on, if it is mounted nosuid: the kernel ignores capabilities there.
nosuid_mount() {
	longest='' options=''
	while read -r _ point _ opts _; do
		case $LIBEXEC/ in "${point%/}"/*) [ ${#point} -lt ${#longest} ] || { longest=$point options=$opts; } ;; esac
	done </proc/self/mounts
	case ,$options, in *,nosuid,*) echo "$longest is mounted nosuid (mount -o remount,suid $longest)" ;; esac
}

# Tells whether only root, and a group 0 of root's, can write in a directory; prints what mends it if not.
closed_to_others() { # DIRECTORY
	# shellcheck disable=SC2046 # two words
	set -- "$1" $(stat -c '%u 0%a,%g' "$1")
	[ "$2" = 0 ] && [ $((${3%,*} & 02)) = 0 ] && { [ $((${3%,*} & 020)) = 0 ] || [ "${3#*,}" = 0 ]; } ||
		{ echo "others can write to $1 (chown root $1; chmod go-w $1)" && return 1; }
}

# Compiles both helpers into the temporary directory.
compile() {
	say "compiling the helpers"
	make -C "$tree/helpers" OUT="$tmp/out" LIBEXECDIR="$LIBEXEC" >"$tmp/log" 2>&1 ||
		{ show_log && die "the helpers do not compile" "make -C $(quote "$tree/helpers") OUT=/tmp/out"; }
}

# Puts a compiled helper in its place by rename, so that a build that starts meanwhile finds the old or the new file whole.
put() { # NAME DIRECTORY OWNER GROUP MODE CAPABILITIES
	cmp -s "$tmp/out/$1" "$2/$1" && file_ok "$2/$1" "$3:$4:$5" "$6" && return
	new=$2/.$1.$$
	install -o "$3" -g "$4" -m "$5" "$tmp/out/$1" "$new" || return 1
	[ -z "$6" ] || setcap "$6" "$new" 2>/dev/null || { rm -f "$new" && return 1; }
	mv -f "$new" "$2/$1" && say "installed $2/$1 ($3:$4 $5${6:+ $6})"
}

# Notes from which sources the helpers in a directory were made, and how they are to be used.
write_stamp() { # FILE DIRECTORY caps|plain
	printf '%s\n' "$(source_sum)" "$(content_sum "$2")" "$3" >"$1.$$" && mv -f "$1.$$" "$1"
}

# --- launcher

# Puts the launcher where everybody's PATH finds it, but not in the place of another program. A current one stays as long
# as the checkout that it falls back to exists.
install_launcher() {
	case $(launcher_state "$BIN/xsrc") in
	foreign) say "$BIN/xsrc is another program and stays" ;;
	current) fallback="" && eval "$(sed -n '/^fallback=/p' "$BIN/xsrc")" && [ -d "$fallback/xsrc" ] || write_launcher "$BIN" ;;
	*) write_launcher "$BIN" ;;
	esac
}

# Writes the launcher, whole or not at all.
write_launcher() { # DIRECTORY
	new=$1/.xsrc.$$
	{ printf '#!/bin/sh\n%s\nfallback=%s\n' "$(launcher_mark)" "$(quote "$tree")" && cat "$tree/helpers/trust.sh" "$tree/helpers/launcher.sh"; } \
		>"$new" && chmod 755 "$new" && mv -f "$new" "$1/xsrc" && say "wrote $1/xsrc"
}

# Says which directories keep the build user from this checkout.
warn_of_closed_directories() {
	components "$tree" | while read -r dir; do
		[ $((0$(stat -c %a "$dir") & 1)) = 1 ] || say "user $GROUP cannot enter $dir; run: chmod o+x $(quote "$dir")"
	done
}
