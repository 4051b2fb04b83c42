# Decides whether somebody else could have written what is about to run. helpers/setup reads this file, and it is part
# of the launcher that setup writes. xsrc/core/trust.py has the same rule for all that xsrc itself reads.
# shellcheck shell=sh
# shellcheck disable=SC2034 # problem, mend: for who reads this file
# shellcheck disable=SC3067 # [ -O FILE ]: not of POSIX, but every sh has it; one that had not would trust nobody

# Sets problem, and mend to a command that mends it, for the first path that somebody else could change; else to nothing.
# Reads the output of `LC_ALL=C ls -ldnL`. The caller, root and the user UID may own a path and write to it. A directory
# above TREE may be sticky, as /tmp is: nobody can rename in it what belongs to another.
other_writer() { # TREE [UID]
	problem='' mend=''
	while [ -z "$problem" ] && read -r bits _ uid gid _ _ _ _ path; do
		[ "$uid" = 0 ] || [ "$uid" = "${2:-0}" ] || [ -O "$path" ] || {
			problem="$path belongs to $(id -un "$uid" 2>/dev/null || echo "user $uid")"
			continue
		}
		case $bits in d????????[tT]*) case $1 in "${path%/}"/*) continue ;; esac ;; esac
		case $bits in
		????????w*) problem="everybody can write to $path" mend="chmod o-w $(quote "$path")" ;;
		?????w*) own_group "$bits" "$uid" "$gid" ||
			problem="group $(group_name "$gid") can write to $path" mend="chmod g-w $(quote "$path")" ;;
		esac
	done
}

# Tells whether a group is its owner's own, without other members: then it may write. With an access control list ("+")
# the mode does not say who else may.
own_group() { # BITS UID GID
	case $1 in *+) return 1 ;; esac
	owner_name=$(id -un "$2" 2>/dev/null) || return 1
	case $(getent group "$3" 2>/dev/null) in "$owner_name":*: | "$owner_name":*":$owner_name") ;; *) return 1 ;; esac
}
group_name() { getent group "$1" 2>/dev/null | sed 's/:.*//;q' | grep . || echo "$1"; } # GID

# Tells whether the caller's environment vouches for a directory, or for one that it is in.
vouched() { # DIRECTORY
	(
		IFS=: && set -f
		for safe in ${XSRC_SAFE_DIRECTORIES:-}; do
			[ "$safe" != '*' ] || exit 0
			safe=$(CDPATH='' cd -P -- "$safe" 2>/dev/null && pwd) || continue
			case $1/ in "${safe%/}"/*) exit 0 ;; esac
		done
		exit 1
	)
}

# Prints a word as the shell reads it back.
quote() {
	case $1 in
	'' | *[!A-Za-z0-9_./-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
	*) printf %s "$1" ;;
	esac
}
