# Decides whether somebody else could have written what is about to run. helpers/setup reads this file, and it is part
# of the launcher that setup writes. xsrc/core/trust.py has the same rule for all that xsrc itself reads.
# shellcheck shell=sh
# shellcheck disable=SC2034 # problem, mend: for who reads this file
# shellcheck disable=SC3067 # [ -O FILE ]: not of POSIX, but every sh has it; one that had not would trust nobody

# Sets problem, and mend to a command that mends it, for the first path that somebody else could change; else to nothing.
# Reads the output of `LC_ALL=C ls -ldnL`. The caller, root and the user UID may own a path and write to it.
other_writer() { # TREE [UID]
	problem='' mend=''
	while [ -z "$problem" ] && read -r bits _ uid gid _ _ _ _ path; do
		if ! trusted_owner "$uid" "$path" "${2:-0}"; then
			problem="$path belongs to $(user_name "$uid")"
		elif ! sticky_above "$bits" "$path" "$1"; then
			look_at_mode "$bits" "$uid" "$gid" "$path"
		fi
	done
}

# Tells whether the owner of a path is root, the user TRUSTED or the caller.
trusted_owner() { # UID PATH TRUSTED
	[ "$1" = 0 ] || [ "$1" = "$3" ] || [ -O "$2" ]
}

# Tells whether a path is a directory above TREE that is sticky, as /tmp is: nobody can rename in it what belongs to another.
sticky_above() { # BITS PATH TREE
	case $1 in
	d????????[tT]*) ;;
	*) return 1 ;;
	esac
	case $3 in
	"${2%/}"/*) ;;
	*) return 1 ;;
	esac
}

# Sets problem and mend if everybody, or a group of others, can write to a path.
look_at_mode() { # BITS UID GID PATH
	case $1 in
	????????w*) problem="everybody can write to $4" mend="chmod o-w $(quote "$4")" ;;
	?????w*)
		if ! own_group "$1" "$2" "$3"; then
			problem="group $(group_name "$3") can write to $4" mend="chmod g-w $(quote "$4")"
		fi
		;;
	esac
}

# Tells whether a group is its owner's own, without other members: then it may write. With an access control list ("+")
# the mode does not say who else may.
own_group() { # BITS UID GID
	case $1 in
	*+) return 1 ;;
	esac
	owner_name=$(id -un "$2" 2>/dev/null) || return 1
	case $(getent group "$3" 2>/dev/null) in
	"$owner_name":*: | "$owner_name":*":$owner_name") ;;
	*) return 1 ;;
	esac
}

# Prints the name of a user, or the number of one that has no name.
user_name() { # UID
	id -un "$1" 2>/dev/null || echo "user $1"
}

# Prints the name of a group, or the number of one that has no name.
group_name() { # GID
	getent group "$1" 2>/dev/null | sed 's/:.*//;q' | grep . || echo "$1"
}

# Tells whether the caller's environment vouches for a directory, or for one that it is in.
vouched() { # DIRECTORY
	(
		IFS=:
		set -f
		for safe in ${XSRC_SAFE_DIRECTORIES:-}; do
			if [ "$safe" = '*' ]; then
				exit 0
			fi
			safe=$(CDPATH='' cd -P -- "$safe" 2>/dev/null && pwd) || continue
			case $1/ in
			"${safe%/}"/*) exit 0 ;;
			esac
		done
		exit 1
	)
}

# Prints a word as the shell reads it back.
quote() { # WORD
	case $1 in
	'' | *[!A-Za-z0-9_./-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
	*) printf %s "$1" ;;
	esac
}
