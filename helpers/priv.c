/*
 * priv.c - what both helpers share: refusals, identity, capabilities, descriptors, paths.
 * Nothing here allocates, reads the environment or looks up a user (SECURITY.md R4, R5).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "priv.h"

enum { K_NO_MAGICLINKS = 0x02, K_NO_SYMLINKS = 0x04, K_BENEATH = 0x08 };

int refusals = 2;

/* Ends what snprintf wrote by a newline. A control character in a path becomes "?": no name can make a line of its own. */
static size_t end_line(char *text, size_t room, int n)
{
	const size_t len = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	text[len] = '\n';
	return len + 1;
}

/* At most PIPE_BUF bytes in one write: an empty pipe takes them whole and at once (pipe(7)), also when nobody reads yet. */
_Noreturn void die(const char *what, const char *arg, int err, const char *hint)
{
	enum { ROOM = PIPE_BUF / 4 * 3 };
	char line[PIPE_BUF];
	const char *const why = err == ENOSYS ? "Linux 5.12 or newer is needed" : err ? strerror(err) : "";
	size_t len = end_line(line, ROOM, snprintf(line, ROOM, "%s: %s%s%s%s%s", self, what, arg ? ": " : "",
		arg ? arg : "", *why ? ": " : "", why));

	if (hint)
		len += end_line(line + len, PIPE_BUF - ROOM, snprintf(line + len, PIPE_BUF - ROOM, "hint: %s", hint));
	if (write(refusals, line, len) < 0)
		_exit(EXIT_REFUSED); /* nobody to tell: the exit code still does */
	_exit(EXIT_REFUSED);
}

/* For a path that could not be opened: openat2 reports a link as ELOOP and a way out of the root as EXDEV. */
_Noreturn void die_path(const char *what, const char *path, int err)
{
	die(what, path, err, err == ELOOP ? LINK_HINT : err == EXDEV ? "it leads out of the root" : NULL);
}

const char *path_arg(const char *what, const char *path, bool absolute)
{
	if (!path || !*path)
		die("missing argument", what, 0, NULL);
	if (strlen(path) >= PATH_MAX)
		die("path too long", what, 0, NULL);
	if ((*path == '/') != absolute)
		die(absolute ? "not an absolute path" : "not a relative path", path, 0, NULL);
	return path;
}

char *env_arg(char *text)
{
	if (!text || *text == '=' || !strchr(text, '='))
		die("bad option: -e wants NAME=VALUE", text, 0, NULL);
	return text;
}

/* Digits only, 1 to 9999999. */
unsigned long number_arg(const char *text, const char *complaint)
{
	const unsigned long n = text && strlen(text) < 8 && strspn(text, "0123456789") == strlen(text) ? strtoul(text, NULL, 10) : 0;

	if (n == 0)
		die(complaint, text, 0, NULL);
	return n;
}

/* A setuid or setgid copy would act for its owner, and root needs no helper: neither has a safe meaning (R1). */
void check_identity(int argc)
{
	if (argc < 1)
		die("missing arguments", NULL, 0, NULL);
	if (getuid() == 0 || geteuid() != getuid() || getegid() != getgid())
		die("refusing to run as root or setuid", NULL, 0, NULL);
}

/* Number 0-2 must be taken, or the next file opened gets it; a directory there is a way out of any root (R7). */
void check_standard_fds(void)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0 && (errno != EBADF || open("/dev/null", O_RDWR) != fd || fstat(fd, &st) < 0))
			die("standard descriptors", "/dev/null", errno, NULL);
		if (S_ISDIR(st.st_mode))
			die("standard descriptors: a directory", NULL, 0, NULL);
	}
}

/* From here on refusals go to this pipe, of which the command gets nothing: what it prints cannot pass for one (R51). */
void report_to(int fd, bool close_on_exec)
{
	struct stat st;
	const int flags = fcntl(fd, F_GETFL);
	const bool pipe_end = flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);

	if (fd < 3 || !pipe_end || fcntl(fd, F_SETFD, close_on_exec ? FD_CLOEXEC : 0) < 0)
		die(BAD_REPORT, NULL, 0, NULL);
	refusals = fd;
}

void stop_reporting(void)
{
	if (refusals != 2)
		(void)close(refusals);
	refusals = 2;
}

static void close_range_or_die(unsigned first, unsigned last)
{
	if (syscall(SYS_close_range, first, last, 0) < 0)
		die("close_range", NULL, errno, NULL);
}

/* All descriptors but the pipe of the refusals. */
void close_from(unsigned first)
{
	const unsigned spared = (unsigned)refusals;

	if (spared < 3 || spared < first) {
		close_range_or_die(first, ~0U);
	} else {
		if (spared > first)
			close_range_or_die(first, spared - 1);
		close_range_or_die(spared + 1, ~0U);
	}
}

struct cap_header {
	uint32_t version;
	int pid;
};

struct cap_data {
	uint32_t effective, permitted, inheritable;
};

uint64_t caps_permitted(void)
{
	struct cap_header h = { 0x20080522, 0 }; /* _LINUX_CAPABILITY_VERSION_3: two words a set */
	struct cap_data d[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &h, d) < 0)
		die("capget", NULL, errno, NULL);
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

/* Dropping from permitted or inheritable also empties the ambient set (capabilities(7)). */
void caps_set(uint64_t caps, bool inheritable)
{
	struct cap_header h = { 0x20080522, 0 };
	const uint32_t low = (uint32_t)caps, high = (uint32_t)(caps >> 32);
	const struct cap_data d[2] = { { low, low, inheritable ? low : 0 }, { high, high, inheritable ? high : 0 } };

	if (syscall(SYS_capset, &h, d) < 0)
		die("capset", NULL, errno, NULL);
}

void no_new_privs(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		die("no_new_privs", NULL, errno, NULL);
}

struct open_how64 {
	uint64_t flags, mode, resolve;
};

/* openat2 without following any link; beneath: nor leaving dir. */
int open_path(int dir, const char *path, int flags, bool beneath)
{
	const struct open_how64 how = {
		(uint64_t)(flags | O_PATH | O_CLOEXEC), 0,
		(uint64_t)(K_NO_SYMLINKS | K_NO_MAGICLINKS | (beneath ? K_BENEATH : 0)),
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* File systems in which the kernel speaks: /proc/PID belongs to its user and leads to everything of the host's (fact 4). */
static const struct {
	const char *type;
	uint32_t magic; /* of statfs(2), include/uapi/linux/magic.h */
} kernel_fs[] = {
	{ "proc", 0x9fa0 }, { "sysfs", 0x62656572 }, { "cgroup", 0x27e0eb }, { "cgroup2", 0x63677270 }, { "devpts", 0x1cd1 },
	{ "debugfs", 0x64626720 }, { "tracefs", 0x74726163 }, { "securityfs", 0x73636673 }, { "configfs", 0x62656570 },
	{ "bpf", 0xcafe4a11 }, { "nsfs", 0x6e736673 }, { "pidfs", 0x50494446 }, { "fusectl", 0x65735543 },
	{ "selinuxfs", 0xf97cff8c }, { "smackfs", 0x43415d53 }, { "binfmt_misc", 0x42494e4d }, { "efivarfs", 0xde5e81e4 },
	{ "pstore", 0x6165676c }, { "mqueue", 0x19800202 }, { "rpc_pipefs", 0x67596969 }, { "resctrl", 0x07655821 },
};

void refuse_kernel_fs(int fd, const char *what, const char *path)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		die_path(what, path, errno);
	for (size_t i = 0; i < sizeof kernel_fs / sizeof *kernel_fs; i++)
		if ((uint32_t)fs.f_type == kernel_fs[i].magic)
			die(what, path, 0, NULL);
}

/* The same, of a type as the table of mounts writes it. */
bool is_kernel_fs(const char *type)
{
	for (size_t i = 0; i < sizeof kernel_fs / sizeof *kernel_fs; i++)
		if (!strcmp(type, kernel_fs[i].type))
			return true;
	return false;
}

bool is_slash(const struct stat *st)
{
	struct stat top;

	if (stat("/", &top) < 0)
		die("stat", "/", errno, NULL);
	return st->st_dev == top.st_dev && st->st_ino == top.st_ino;
}

/* R11: only the caller's own directory, which nobody else can change while it is in use. The user is read again because
 * inside the helper's user namespace both the owner and getuid() read as 0. */
int open_root(const char *path)
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
	refuse_kernel_fs(fd, "root: a kernel file system", path);
	return fd;
}
