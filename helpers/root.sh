# Root's part of helpers/setup: packages, the build user, the helpers with capabilities, the launcher for everybody.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables are shared with setup

MOUNT_CAPS=cap_sys_admin,cap_net_admin=ep
CHROOT_CAPS=cap_sys_chroot=ep

# Does all that only root can do. Packages come first: the helpers need a compiler.
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
	if [ -z "$manager" ]; then
		die "no package manager that setup knows; missing: $(lacking things)" "$(by_hand)"
	fi
	say "installing with $manager: $missing"
	export DEBIAN_FRONTEND=noninteractive
	run_installer >"$tmp/log" 2>&1
	find_python
	judge_what_is_missing
}

# Runs the package manager: for all packages, then once more with new lists (an image of a container may have none),
# then one by one, because some optional package may not exist here.
run_installer() {
	# shellcheck disable=SC2086 # words
	$installer $missing && return
	if [ "$manager" = apt-get ]; then
		apt-get update || :
	fi
	# shellcheck disable=SC2086 # words
	$installer $missing && return
	for package in $missing; do
		$installer "$package" || :
	done
}

# Ends setup if it cannot go on with what the package manager left out, and names the rest.
judge_what_is_missing() {
	for thing in $(lacking things); do
		case $thing in
		cc | make | patch | tar | venv | headers | libcap | setcap | certs) still_missing "$thing" ;;
		python) still_missing 'Python 3.11 or newer that every user can read' ;;
		*) say "$manager could not install $thing; going on without" ;;
		esac
	done
}

# Ends setup for want of a thing, with what the package manager said.
still_missing() { # THING
	show_log
	die "still missing after $manager: $1" "$(by_hand)"
}

# --- the build user; each with the tools of shadow, or those of busybox

# Makes the group whose members may run the helpers with capabilities.
make_group() {
	if grep -q "^$GROUP:" /etc/group; then
		return
	fi
	say "making group $GROUP"
	{ there groupadd && groupadd -r "$GROUP"; } || addgroup -S "$GROUP"
}

# Makes the user who runs the builds of root, and looks whether one of that name is ours.
make_user() {
	id "$GROUP" >/dev/null 2>&1 || new_user
	user_ok || die "the primary group of user $GROUP is not $GROUP" "usermod -g $GROUP $GROUP"
}

# Adds the build user, without a home and without a login: nobody is to work as that user.
new_user() {
	shell=$(command -v nologin || echo /bin/false)
	say "making user $GROUP, who runs the builds of root"
	{ there useradd && useradd -r -M -g "$GROUP" -d /nonexistent -s "$shell" "$GROUP"; } ||
		adduser -S -D -H -G "$GROUP" -h /nonexistent -s "$shell" "$GROUP"
}

# Lets the caller of sudo run the helpers with capabilities.
add_caller() {
	if member "$caller"; then
		return
	fi
	say "adding $caller to group $GROUP"
	{ there usermod && usermod -aG "$GROUP" "$caller"; } || addgroup "$caller" "$GROUP"
}

# --- helpers

# Installs the plain helpers, and those with capabilities where the machine allows them.
install_helpers() {
	mkdir -p "$LIBEXEC/plain" "$BIN"
	because=$(no_caps_because)
	to_be=caps
	if [ -n "$because" ]; then
		to_be=plain
	fi
	if helpers_ok && [ "$how" = $to_be ]; then
		return
	fi
	compile
	put xsrc-mount "$LIBEXEC/plain" root root 755 ''
	put xsrc-chroot "$LIBEXEC/plain" root root 755 ''
	if [ -z "$because" ]; then
		give_capabilities
	fi
	if [ -n "$because" ]; then
		to_be=plain
		remove_capable_helpers
	fi
	write_stamp "$LIBEXEC/stamp" "$LIBEXEC/plain" $to_be
}

# Installs the helpers with capabilities and tries them. Sets because if they do not work here.
give_capabilities() {
	if ! put_capable_helpers; then
		because='setcap is refused here'
	elif capable_helpers_cannot_start; then
		because='this container withholds cap_sys_admin'
	fi
}

# Puts both helpers with capabilities in place; xsrc-chroot first, which xsrc-mount runs.
put_capable_helpers() {
	put xsrc-chroot "$LIBEXEC" root "$GROUP" 750 "$CHROOT_CAPS" &&
		put xsrc-mount "$LIBEXEC" root "$GROUP" 750 "$MOUNT_CAPS"
}

# Tells whether the kernel refuses to start the helper at all, as in a container that lacks its capabilities: then the
# shell exits 126. The helper itself exits 125, for want of arguments.
capable_helpers_cannot_start() {
	code=0
	su -s /bin/sh "$GROUP" -c "$LIBEXEC/xsrc-mount" </dev/null >/dev/null 2>&1 || code=$?
	[ $code = 126 ]
}

# Removes the helpers with capabilities, which do not work here, and says why there are none.
remove_capable_helpers() {
	rm -f "$LIBEXEC/xsrc-mount" "$LIBEXEC/xsrc-chroot"
	say "no capabilities: $because; builds will use a user namespace"
}

# Prints why file capabilities in LIBEXEC would be ignored or unsafe, and what mends it; nothing if they are fine.
no_caps_because() {
	why=$(nosuid_mount)
	if [ -z "$why" ]; then
		why=$(open_directory)
	fi
	echo "$why"
}

# Prints the mount that LIBEXEC lies on, if it is mounted nosuid: the kernel ignores capabilities there.
nosuid_mount() {
	longest='' options=''
	while read -r _ point _ opts _; do
		case $LIBEXEC/ in
		"${point%/}"/*)
			if [ ${#point} -ge ${#longest} ]; then
				longest=$point options=$opts
			fi
			;;
		esac
	done </proc/self/mounts
	case ,$options, in
	*,nosuid,*) echo "$longest is mounted nosuid (mount -o remount,suid $longest)" ;;
	esac
}

# Prints the first directory, of LIBEXEC and those above it, in which others can write, and what mends it.
open_directory() {
	components "$LIBEXEC" | while read -r dir; do
		if ! closed_to_others "$dir"; then
			echo "others can write to $dir (chown root $dir; chmod go-w $dir)"
			break
		fi
	done
}

# Tells whether only root, and a group 0 of root's, can write in a directory.
closed_to_others() { # DIRECTORY
	# shellcheck disable=SC2046 # three words
	set -- $(stat -c '%u %g 0%a' "$1")
	[ "$1" = 0 ] || return 1
	[ $(($3 & 02)) = 0 ] || return 1
	[ $(($3 & 020)) = 0 ] || [ "$2" = 0 ]
}

# Compiles both helpers into the temporary directory.
compile() {
	say "compiling the helpers"
	if ! make -C "$tree/helpers" OUT="$tmp/out" LIBEXECDIR="$LIBEXEC" >"$tmp/log" 2>&1; then
		show_log
		die "the helpers do not compile" "make -C $(quote "$tree/helpers") OUT=/tmp/out"
	fi
}

# Puts a compiled helper in its place by rename, so that a build that starts meanwhile finds the old or the new file whole.
put() { # NAME DIRECTORY OWNER GROUP MODE CAPABILITIES
	if cmp -s "$tmp/out/$1" "$2/$1" && file_ok "$2/$1" "$3:$4:$5" "$6"; then
		return
	fi
	new=$2/.$1.$$
	install -o "$3" -g "$4" -m "$5" "$tmp/out/$1" "$new" || return 1
	if [ -n "$6" ] && ! setcap "$6" "$new" 2>/dev/null; then
		rm -f "$new"
		return 1
	fi
	mv -f "$new" "$2/$1" || return 1
	say "installed $2/$1 ($3:$4 $5${6:+ $6})"
}

# Notes from which sources the helpers in a directory were made, and how they are to be used.
write_stamp() { # FILE DIRECTORY caps|plain
	printf '%s\n' "$(source_sum)" "$(content_sum "$2")" "$3" >"$1.$$"
	mv -f "$1.$$" "$1"
}

# --- launcher

# Puts the launcher where everybody's PATH finds it, but not in the place of another program. A current one stays as long
# as the checkout that it falls back to exists.
install_launcher() {
	case $(launcher_state "$BIN/xsrc") in
	foreign) say "$BIN/xsrc is another program and stays" ;;
	current) fallback_exists || write_launcher "$BIN" ;;
	*) write_launcher "$BIN" ;;
	esac
}

# Tells whether the checkout is still there that the installed launcher falls back to.
fallback_exists() {
	fallback=''
	eval "$(sed -n '/^fallback=/p' "$BIN/xsrc")" && [ -d "$fallback/xsrc" ]
}

# Writes the launcher, whole or not at all.
write_launcher() { # DIRECTORY
	new=$1/.xsrc.$$
	print_launcher >"$new"
	chmod 755 "$new"
	mv -f "$new" "$1/xsrc"
	say "wrote $1/xsrc"
}

# Prints the launcher: its head, with the mark and this checkout, then the two files that it is made of.
print_launcher() {
	printf '#!/bin/sh\n%s\nfallback=%s\n' "$(launcher_mark)" "$(quote "$tree")"
	cat "$tree/helpers/trust.sh" "$tree/helpers/launcher.sh"
}

# Says which directories keep the build user from this checkout.
warn_of_closed_directories() {
	components "$tree" | while read -r dir; do
		if [ $((0$(stat -c %a "$dir") & 1)) = 0 ]; then
			say "user $GROUP cannot enter $dir; run: chmod o+x $(quote "$dir")"
		fi
	done
}
