"""A ticket in the caller's user keyring, read by the build, through every ABI."""

from lib import INSIDE, X86, again, call, enter, error, verdict  # type: ignore[import-not-found]

ADD, FIND = (248, 250) if X86 else (217, 219)
if INSIDE:
    ways = [bit for bit in (0, 0x40000000) if call(FIND + bit, 10, -4, "user", "xsrc-ticket", 0) > 0]
    ways += [bit for bit in (0, 0x40000000) if call(ADD + bit, "user", "planted", "x", 1, -4) > 0]
    print(ways)
else:
    if call(ADD, "user", "xsrc-ticket", "secret", 6, -4) < 0 or call(FIND, 10, -4, "user", "xsrc-ticket", 0) < 0:
        error("keys cannot be used on this machine")
    said = again()
    if X86:
        said += enter("/kit/int80", "xsrc-ticket").stdout
    verdict((said.startswith("[]") and not X86) or ('"keyctl": -38' in said and '"add_key": -38' in said), said)
