# What cargo is to know: no path of the build in what it makes, our linker with its flags, and where the crates are.
mkdir -p "$CARGO_HOME"
{
	printf '[build]\nrustflags = ["--remap-path-prefix=%s=.", "-Clinker=%s"' "$PWD" "$CC"
	for flag in $LDFLAGS; do printf ', "-Clink-arg=%s"' "$flag"; done
	echo ']'
	[ ! -d vendor ] ||
		printf '[source]\ncrates-io.replace-with = "vendor"\nvendor.directory = "%s"\n' "$PWD/vendor"
} >"$CARGO_HOME/config.toml"
