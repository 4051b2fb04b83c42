# Runs the module of the tests with the wheel as it will be installed: its programs, its modules, its .pth files.
export PATH="$PWD/.xsrc-wheel/root/usr/bin:$PATH" PYTHONPATH="$(cat .xsrc-wheel/path)"
# a test that lies in a package and came with the wheel is tested as it came
export PYTHONDONTWRITEBYTECODE=1 PY_IGNORE_IMPORTMISMATCH=1
exec python3 -P -m "$@"
