# Ends the install phase: the destdir gets its final shape. Runs inside the build root, with the destdir writable.
cd "$DESTDIR"

# merged /usr: what went into /bin, /sbin, /lib or /lib64 belongs below /usr
for top in bin sbin lib lib64; do
	[ -d "$top" ] && [ ! -L "$top" ] || continue
	mkdir -p "usr/$top"
	for entry in "$top"/* "$top"/.[!.]*; do
		[ -e "$entry" ] || [ -L "$entry" ] || continue
		if [ -d "$entry" ] && [ -d "usr/$entry" ]; then
			cp -RP "$entry/." "usr/$entry/" && rm -r "$entry"
		elif [ -e "usr/$entry" ] || [ -L "usr/$entry" ]; then
			echo "xsrc: both $entry and usr/$entry are installed" >&2
			exit 1
		else
			mv "$entry" "usr/$entry"
		fi
	done
	rmdir "$top"
done

# indexes that every package would ship; they are made for the whole root instead
rm -f usr/share/info/dir usr/lib/charset.alias usr/share/locale/locale.alias
find . \( -name perllocal.pod -o -name .packlist \) -type f -exec rm -f {} +
case " $INSTALL_KEEP " in
*' la '*) ;;
*) find . -name '*.la' -type f -exec rm -f {} + ;;
esac

# a static library beside its shared one only where it is asked for
case " $INSTALL_KEEP " in
*' static '*) ;;
*)
	for archive in usr/lib/*.a; do
		[ ! -e "${archive%.a}.so" ] || rm -f "$archive"
	done
	;;
esac

# man pages as text, so that equal pages are equal files
find . -path './usr/share/man/*' -name '*.gz' -type f -exec gunzip {} +
find . -path './usr/share/man/*' -name '*.gz' -type l | while IFS= read -r page; do
	target=$(readlink "$page")
	ln -s "${target%.gz}" "${page%.gz}"
	rm "$page"
done

# strip by kind; a file that is no object makes strip complain, which is of no interest
if [ -n "$STRIP" ] && command -v "$STRIP" >/dev/null; then
	find . -type f \( -name '*.a' -o -name '*.o' -o -name '*.ko' \) -exec "$STRIP" -g {} + 2>/dev/null || :
	find . -type f -name '*.so*' ! -name '*.o' -exec "$STRIP" --strip-unneeded {} + 2>/dev/null || :
	find . -type f -perm -0100 ! -name '*.so*' ! -name '*.[ao]' ! -name '*.ko' -exec "$STRIP" {} + 2>/dev/null || :
fi

case " $INSTALL_KEEP " in
*' empty '*) ;;
*) find . -depth -mindepth 1 -type d -empty -exec rmdir {} + ;;
esac
