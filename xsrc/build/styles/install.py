"""The `[install]` table as sh text; it runs inside the build root, where a planted link is harmless."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from xsrc.tree.package import Package

_PRELUDE = r"""
# expand GLOB and call the rest for each path that it finds; ? in front: it may find none
each() {
	glob=$1; shift
	optional=; case $glob in '?'*) optional=1 glob=${glob#?} ;; esac
	case $glob in files/*) glob="$FILESDIR/${glob#files/}" ;; esac
	matches=; old=$IFS; IFS=
	for match in $glob; do
		IFS=$old
		[ -e "$match" ] || [ -L "$match" ] || continue
		matches=1
		"$@" "$match"
	done
	IFS=$old
	[ -n "$matches$optional" ] || { echo "xsrc: [install]: nothing matches $glob" >&2; exit 1; }
}
refuse() { # WORDS
	echo "xsrc: [install]: $1" >&2; exit 1
}
once() { # PATH: no second file of this table comes to stand there
	case $had in *"/$1//"*) refuse "two files would be $1: give one another name by files" ;; esac
	had="$had/$1//"
}
had=
put() { # MODE DIRECTORY PATH
	mkdir -p "$DESTDIR/$2"
	if [ -d "$3" ]; then cp -R "$3" "$DESTDIR/$2/"
	else once "$2/${3##*/}"; install -m "$1" "$3" "$DESTDIR/$2/"; fi
}
put_as() { # TARGET PATH
	case $1 in */) mkdir -p "$DESTDIR/$1" ;; */*) mkdir -p "$DESTDIR/${1%/*}" ;; esac
	if [ -d "$2" ] && [ -d "$DESTDIR/$1" ] && [ "${1%/}" = "$1" ]; then cp -R "$2/." "$DESTDIR/$1"; return; fi
	case $1 in */) ;; *) [ ! -d "$DESTDIR/$1" ] || refuse "files: $1 is a folder: write $1/" ;; esac
	[ -d "$2" ] || case $1 in */) once "$1${2##*/}" ;; *) once "$1" ;; esac
	cp -R "$2" "$DESTDIR/$1"
}
put_man() { # PATH
	page=${1%.gz}; put 644 "usr/share/man/man${page##*.}" "$1"
}
put_completion() { # PATH
	case ${1##*/} in
	_*) put 644 usr/share/zsh/site-functions "$1" ;;
	*.fish) put 644 usr/share/fish/vendor_completions.d "$1" ;;
	*) put 644 usr/share/bash-completion/completions "$1" ;;
	esac
}
move() { # TARGET PATH
	case $1 in */) mkdir -p "$DESTDIR/$1" ;; */*) mkdir -p "$DESTDIR/${1%/*}" ;; esac
	to=$DESTDIR/$1; case $1 in */) to=$to${2##*/} ;; esac
	if [ -d "$2" ] && [ ! -L "$2" ] && [ -d "$to" ] && [ ! -L "$to" ]; then
		(cd "$2" && find . ! -type d) | while IFS= read -r entry; do
			[ ! -e "$to/$entry" ] && [ ! -L "$to/$entry" ] ||
				refuse "rename: ${to#"$DESTDIR"/}/${entry#./} is there already"
		done
		cp -RPp "$2/." "$to/" && rm -r "$2"
	elif [ -e "$to" ] || [ -L "$to" ]; then refuse "rename: ${to#"$DESTDIR"/} is there already"
	else mv "$2" "$to"; fi
}
link() { # PATH TEXT
	case $1 in */*) mkdir -p "$DESTDIR/${1%/*}" ;; esac
	[ ! -d "$DESTDIR/$1" ] || [ -L "$DESTDIR/$1" ] || refuse "symlinks: $1 is a folder"
	ln -sfn "$2" "$DESTDIR/$1"
}
""".strip()


def install_script(package: Package) -> str:
    """The commands of the table in their order: put, files, rename, symlinks, remove, modes; empty for none."""
    lines = list(_lines(package))
    return "\n".join((_PRELUDE, *lines)) if lines else ""


def _lines(package: Package) -> Iterator[str]:
    table, name = package.install, package.name
    for globs, command in (
        (table.license, f"put 644 usr/share/licenses/{name}"),
        (table.bin, "put 755 usr/bin"),
        (table.man, "put_man"),
        (table.doc, f"put 644 usr/share/doc/{name}"),
        (table.conf, "put 644 etc"),
        (table.completion, "put_completion"),
        (table.service, "put 644 etc/sv"),
    ):
        for glob in globs:
            yield f"each {shlex.quote(glob)} {command}"
    for source, target in table.files.items():
        yield f"each {shlex.quote(source)} put_as {shlex.quote(target)}"
    for glob, target in table.rename.items():
        yield f"each {_below(glob)} move {shlex.quote(target)}"
    for path, text in table.symlinks.items():
        yield f"link {shlex.quote(path)} {shlex.quote(text)}"
    for glob in table.remove:
        yield f"each {_below(glob)} rm -rf"
    for glob, mode in table.modes.items():
        yield f"each {_below(glob)} chmod {shlex.quote(mode.partition(' ')[0])}"


def make_dirs_script(package: Package) -> str:
    """The commands that make empty directories; they run after the tidying, which removes empty ones."""
    return "\n".join(f"mkdir -p {_below(one.path)}; chmod {one.mode} {_below(one.path)}" for one in package.make_dirs)


def _below(glob: str) -> str:
    """A glob below the destdir; the directory is known to be free of glob characters."""
    mark, rest = re.fullmatch(r"(\??)/*(.*)", glob, re.DOTALL).groups()  # type: ignore[union-attr]
    return f'{shlex.quote(mark) if mark else ""}"$DESTDIR"/{shlex.quote(rest)}'
