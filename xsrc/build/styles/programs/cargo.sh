# What cargo is to know: no path of the build in what it makes, our linker with its flags, and where the crates are.
mkdir -p "$CARGO_HOME"

# Flags for a target replace those for every build: a project that has some gets ours beside them.
table=build folder=$PWD
while
	for file in "$folder"/.cargo/config "$folder"/.cargo/config.toml; do
		[ ! -f "$file" ] || [ "$file" = "$CARGO_HOME/config.toml" ] ||
			[ -z "$(sed -n '/^[[:space:]]*\[target\./,/^[[:space:]]*\[[^t]/{/rustflags/p;}' "$file")" ] ||
			table="target.'cfg(all())'"
	done
	[ -n "$folder" ]
do folder=${folder%/*}; done

{
	printf '[%s]\nrustflags = ["--remap-path-prefix=%s=.", "-Clinker=%s"' "$table" "$PWD" "$CC"
	for flag in $LDFLAGS; do printf ', "-Clink-arg=%s"' "$flag"; done
	echo ']'
	if [ -d vendor ]; then
		printf '[source]\ncrates-io.replace-with = "vendor"\nvendor.directory = "%s"\n' "$PWD/vendor"
		# each repository that the lock names: git+ADDRESS?branch=NAME#COMMIT, with a slash of the name as %2F
		[ ! -f Cargo.lock ] || sed -n 's/^source = "git+\([^"#]*\)#.*/\1/p' Cargo.lock | sort -u |
			while IFS= read -r git; do
				printf '[source."git+%s"]\ngit = "%s"\nreplace-with = "vendor"\n' "$git" "${git%%\?*}"
				case $git in
				*\?*=*) printf '%s\n' "${git#*\?}" | sed 's/%2[Ff]/\//g; s/=\(.*\)/ = "\1"/' ;;
				esac
			done
	fi
} >"$CARGO_HOME/config.toml"
