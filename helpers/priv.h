/*
 * priv.h - what both helpers share: refusals, identity, capabilities, descriptors, paths.
 * The kernel's numbers are written out, under our own names, because musl-gcc comes without linux/ headers.
 * Nothing here allocates, reads the environment or looks up a user (SECURITY.md R4, R5).
 */
#ifndef PRIV_H
#define PRIV_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Numbers from 424 on are the same on every architecture (scripts/syscall.tbl). */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

enum { K_CAP_SETPCAP = 8, K_CAP_NET_ADMIN = 12, K_CAP_SYS_CHROOT = 18, K_CAP_SYS_ADMIN = 21 };
enum { K_NO_MAGICLINKS = 0x02, K_NO_SYMLINKS = 0x04, K_BENEATH = 0x08 };
enum { EXIT_REFUSED = 125, EXIT_NOEXEC = 126, EXIT_NOTFOUND = 127, EXIT_SIGNAL = 128 };

#define CAP_BIT(c) (UINT64_C(1) << (c))
#define LINK_HINT "symbolic links are not followed"

static inline _Noreturn void die(const char *what, const char *arg, int err, const char *hint)
{
	char line[2 * PATH_MAX];
	const char *const why = err == ENOSYS ? "Linux 5.12 or newer is needed" : err ? strerror(err) : "";
	const int n = snprintf(line, sizeof line, SELF ": %s%s%s%s%s\n%s%s%s", what, arg ? ": " : "", arg ? arg : "",
		*why ? ": " : "", why, hint ? "hint: " : "", hint ? hint : "", hint ? "\n" : "");

	if (n > 0 && write(2, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
		_exit(EXIT_REFUSED); /* nobody to tell: the exit code still does */
	_exit(EXIT_REFUSED);
}

/* For a path that could not be opened: openat2 reports a link as ELOOP and a way out of the root as EXDEV. */
static inline _Noreturn void die_path(const char *what, const char *path, int err)
{
	die(what, path, err, err == ELOOP ? LINK_HINT : err == EXDEV ? "it leads out of the root" : NULL);
}

static inline const char *path_arg(const char *what, const char *path, bool absolute)
{
	if (!path || !*path)
		die("missing argument", what, 0, NULL);
	if (strlen(path) >= PATH_MAX)
		die("path too long", what, 0, NULL);
	if ((*path == '/') != absolute)
		die(absolute ? "not an absolute path" : "not a relative path", path, 0, NULL);
	return path;
}

static inline char *env_arg(char *text)
{
	if (!text || *text == '=' || !strchr(text, '='))
		die("bad option: -e wants NAME=VALUE", text, 0, NULL);
	return text;
}

/* A setuid or setgid copy would act for its owner, and root needs no helper: neither has a safe meaning (R1). */
static inline void check_identity(int argc)
{
	if (argc < 1)
		die("missing arguments", NULL, 0, NULL);
	if (getuid() == 0 || geteuid() != getuid() || getegid() != getgid())
		die("refusing to run as root or setuid", NULL, 0, NULL);
}

/* Number 0-2 must be taken, or the next file opened gets it; a directory there is a way out of any root (R7). */
static inline void check_standard_fds(void)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0 && (errno != EBADF || open("/dev/null", O_RDWR) != fd || fstat(fd, &st) < 0))
			die("standard descriptors", "/dev/null", errno, NULL);
		if (S_ISDIR(st.st_mode))
			die("standard descriptors: a directory", NULL, 0, NULL);
	}
}

static inline void close_from(unsigned first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) < 0)
		die("close_range", NULL, errno, NULL);
}

struct cap_header {
	uint32_t version;
	int pid;
};

struct cap_data {
	uint32_t effective, permitted, inheritable;
};

static inline uint64_t caps_permitted(void)
{
	struct cap_header h = { 0x20080522, 0 }; /* _LINUX_CAPABILITY_VERSION_3: two words a set */
	struct cap_data d[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &h, d) < 0)
		die("capget", NULL, errno, NULL);
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

/* Dropping from permitted or inheritable also empties the ambient set (capabilities(7)). */
static inline void caps_set(uint64_t caps, bool inheritable)
{
	struct cap_header h = { 0x20080522, 0 };
	const uint32_t low = (uint32_t)caps, high = (uint32_t)(caps >> 32);
	const struct cap_data d[2] = { { low, low, inheritable ? low : 0 }, { high, high, inheritable ? high : 0 } };

	if (syscall(SYS_capset, &h, d) < 0)
		die("capset", NULL, errno, NULL);
}

static inline void no_new_privs(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		die("no_new_privs", NULL, errno, NULL);
}

struct open_how64 {
	uint64_t flags, mode, resolve;
};

/* openat2 without following any link; beneath: nor leaving dir. */
static inline int open_path(int dir, const char *path, int flags, bool beneath)
{
	const struct open_how64 how = {
		(uint64_t)(flags | O_PATH | O_CLOEXEC), 0,
		(uint64_t)(K_NO_SYMLINKS | K_NO_MAGICLINKS | (beneath ? K_BENEATH : 0)),
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static inline bool is_slash(const struct stat *st)
{
	struct stat top;

	if (stat("/", &top) < 0)
		die("stat", "/", errno, NULL);
	return st->st_dev == top.st_dev && st->st_ino == top.st_ino;
}

/* R11: only the caller's own directory, which nobody else can change while it is in use. The user is read again because
 * inside the helper's user namespace both the owner and getuid() read as 0. */
static inline int open_root(const char *path)
{
	struct stat st;
	const int fd = open_path(AT_FDCWD, path, O_DIRECTORY, false);

	if (fd < 0 || fstat(fd, &st) < 0)
		die_path("root", path, errno);
	if (is_slash(&st))
		die("refusing / as root", path, 0, NULL);
	if (st.st_uid != getuid())
		die("root: not owned by the caller", path, 0, NULL);
	if (st.st_mode & 022)
		die("root: writable by others", path, 0, NULL);
	return fd;
}

#endif
