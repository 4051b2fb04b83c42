/*
 * weaken.h - one hole in a helper, to see whether the tests find it. It is laid between the program and the kernel by
 * "-include weaken.h -DWEAKEN_NAME": the sources in helpers/ know nothing of it, so no build of theirs can have a hole.
 * Only test_weakened.py uses it. Numbers are written out as in priv.h. Each source file of a program gets a copy: what a
 * hole must remember from one call to the next is weak, so that the linker makes one variable of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* One hole shown to other tests, and two at once: the terminal is open only where session and filter are gone. */
#ifdef WEAKEN_NNP_FORGED
#define WEAKEN_NNP
#endif
#ifdef WEAKEN_KEYRING
#define WEAKEN_KEY_ROWS
#endif
#ifdef WEAKEN_MAGIC_LAYER
#define WEAKEN_MAGIC
#endif
#ifdef WEAKEN_HOST_PROC_ROOT
#define WEAKEN_HOST_PROC
#endif
#ifdef WEAKEN_TERMINAL
#define WEAKEN_SETSID
#define WEAKEN_TIOCSTI_ROWS
#endif

#ifdef WEAKEN_NNP /* without it a filter needs CAP_SYS_ADMIN (seccomp(2)): a helper that forgot the one lacks the other */
#define WEAKEN_NO_FILTER
#endif

struct w_insn { uint16_t code; uint8_t yes, no; uint32_t k; };
struct w_program { unsigned short len; struct w_insn *insn; };
struct w_how { uint64_t flags, mode, resolve; };
struct w_attr { uint64_t set, clear, propagation, userns; };
struct w_caps { uint32_t effective, permitted, inheritable; };

__attribute__((weak)) pid_t w_child;
__attribute__((weak)) int w_proc = -1, w_overlay = -1;

/* The filter as it would be with a row forgotten or a comparison done wrong. */
static void w_filter(struct w_program *p)
{
	for (int i = 0; i < p->len; i++) {
		struct w_insn *const n = p->insn + i;
		(void)n;
#ifdef WEAKEN_KEY_ROWS
		if (n->code == 0x15 && ((n->k >= 248 && n->k <= 250) || (n->k >= 286 && n->k <= 288)))
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_COMPAT_KEY_ROWS
		if (n->code == 0x15 && n->k >= 286 && n->k <= 288)
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_COMPAT_ROWS /* arch of i386: jump to its rows, which allow all */
		if (n->code == 0x15 && n->k == 0x40000003)
			n[2] = (struct w_insn){ 0x06, 0, 0, 0x7fff0000 };
#endif
#ifdef WEAKEN_FAMILY_ROWS /* socket, socketpair, native */
		if (n->code == 0x15 && (n->k == 41 || n->k == 53))
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_FAMILY_MORE /* one family more is let through: the list is compared with something else */
		if (n->code == 0x15 && n->k == 16 && n[-1].k == 10)
			n->k = 40;
#endif
#ifdef WEAKEN_COMPAT_FAMILY_ROWS
		if (n->code == 0x15 && (n->k == 359 || n->k == 360))
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_SOCKETCALL_ROW
		if (n->code == 0x15 && n->k == 102)
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_IO_URING_ROWS
		if (n->code == 0x15 && n->k >= 425 && n->k <= 427)
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_EARLY_EXIT /* the rows are left for a number that has one */
		if (n->code == 0x35 && n->k == 425)
			n->k = 428;
#endif
#ifdef WEAKEN_CORE_ROWS
		if (n->code == 0x15 && (n->k == 160 || n->k == 302 || n->k == 75 || n->k == 340))
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_SETID_ROWS /* set-group-id is forgotten */
		if (n->code == 0x45 && n->k == 06000)
			n->k = 04000;
#endif
#ifdef WEAKEN_SETID_CREATE /* O_CREAT is looked for, what O_TMPFILE has is not */
		if (n->code == 0x45 && n->k == (0100 | 020000000))
			n->k = 0100;
#endif
#ifdef WEAKEN_SETID_MODE /* every mode that is passed counts, also where nothing is created */
		if (n->code == 0x45 && n->k == (0100 | 020000000))
			n->no = 0;
#endif
#ifdef WEAKEN_COMPAT_SETID_ROWS
		if (n->code == 0x15 && (n->k == 15 || n->k == 94 || n->k == 306 || n->k == 8 || n->k == 14 || n->k == 5 || n->k == 295) && n->no > 3)
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_OPENAT2_ROW
		if (n->code == 0x15 && n->k == 437)
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_TIOCSTI_ROWS
		if (n->code == 0x15 && (n->k == 0x5412 || n->k == 0x541c))
			n->k = 0xffffffff;
#endif
#ifdef WEAKEN_TIOCSTI_64 /* the high half is compared too */
		if (n->code == 0x15 && n->k == 0x5412 && n[-1].k == 24) {
			n[-1] = (struct w_insn){ 0x20, 0, 0, 28 };
			n[0] = (struct w_insn){ 0x15, 0, 3, 0 };
			n[1] = (struct w_insn){ 0x20, 0, 0, 24 };
			n[2] = (struct w_insn){ 0x15, 0, 1, 0x5412 };
			n[3] = (struct w_insn){ 0x06, 0, 0, 0x00050001 };
			i += 3;
		}
#endif
	}
}

static int w_prctl(int what, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (what == PR_SET_SECCOMP)
		w_filter((struct w_program *)b);
#ifdef WEAKEN_NO_FILTER
	if (what == PR_SET_SECCOMP)
		return 0;
#endif
#ifdef WEAKEN_NNP
	if (what == PR_SET_NO_NEW_PRIVS)
		return 0;
#endif
#ifdef WEAKEN_DUMPABLE
	if (what == PR_SET_DUMPABLE && a == 0)
		return 0;
#endif
#ifdef WEAKEN_BOUNDING
	if (what == PR_CAPBSET_DROP) {
		errno = EINVAL;
		return a > 0 ? -1 : 0;
	}
#endif
#if defined WEAKEN_LIFELINE || defined WEAKEN_SLOW_START
	/* a slow machine: the outer process dies here; alone, this must change nothing */
	if (what == PR_SET_PDEATHSIG)
		usleep(20000);
#endif
	return prctl(what, a, b, c, d);
}

/* open, after a look with lstat: what a program does that does not know openat2. */
static int w_lstat_open(int dir, const char *path, int flags)
{
	struct stat st;
	char part[PATH_MAX];

	for (size_t i = 1; i <= strlen(path); i++)
		if (path[i] == '/' || !path[i]) {
			memcpy(part, path, i);
			part[i] = '\0';
			if (fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) < 0)
				return -1;
			if (S_ISLNK(st.st_mode)) {
				errno = ELOOP;
				return -1;
			}
		}
	usleep(200);
	return openat(dir, path, flags);
}

#ifdef WEAKEN_LAYER_NAMES
/* Whether a mount lies below is asked by name, of a table that names are compared with: what renaming gets past. */
static bool w_nothing_below_by_name(int fd)
{
	static char table[1 << 16];
	char link[64], path[PATH_MAX];
	const int t = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	const ssize_t n = t < 0 ? -1 : read(t, table, sizeof table - 1);

	close(t);
	usleep(200);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	const ssize_t length = readlink(link, path, sizeof path - 2);
	if (n < 0 || length < 2)
		return false;
	table[n] = '\0';
	path[length] = '/';
	path[length + 1] = '\0';
	return strstr(table, path) == NULL;
}
#endif

static long w_syscall(long nr, ...)
{
	long a[6];
	va_list list;

	va_start(list, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
#ifdef WEAKEN_CLOSE_RANGE
	if (nr == 436)
		return 0;
#endif
#if defined WEAKEN_KEY_ROWS || defined WEAKEN_NO_FILTER
	if (nr == SYS_keyctl) { /* the helper's own test of its filter */
		errno = ENOSYS;
		return -1;
	}
#endif
#ifdef WEAKEN_PARENT
	if (nr == 434) /* pidfd_open: of whoever is the parent now */
		a[0] = getppid();
#endif
#ifdef WEAKEN_CAP_CHECK
	if (nr == SYS_capget) {
		const long result = syscall(nr, a[0], a[1]);
		struct w_caps *const c = (struct w_caps *)a[1];
		c[0].permitted &= 1U << 8 | 1U << 12 | 1U << 18 | 1U << 21;
		c[1].permitted = 0;
		return result;
	}
#endif
#ifdef WEAKEN_KEEP_CAPS
	if (nr == SYS_capset && !((struct w_caps *)a[1])->permitted && WEAKEN_PROGRAM[5] == 'm')
		return 0;
#endif
#ifdef WEAKEN_LAYER_NAMES
	if (nr == 428 && (a[2] & 0x8000) && w_nothing_below_by_name((int)a[0]))
		a[2] &= ~0x8000L;
#endif
#ifdef WEAKEN_INODES
	if (nr == 431 && a[2] && strcmp((char *)a[2], "nr_inodes") == 0 && strlen((char *)a[3]) > 2)
		return 0;
#endif
	if (nr == 437) { /* openat2 */
		struct w_how how = *(struct w_how *)a[2];
#ifdef WEAKEN_KEY_FILES
		if (strncmp((char *)a[1], "key", 3) == 0) {
			errno = ENOENT;
			return -1;
		}
#endif
#ifdef WEAKEN_LSTAT
		return w_lstat_open((int)a[0], (char *)a[1], (int)how.flags);
#endif
#ifdef WEAKEN_BENEATH
		how.resolve &= ~UINT64_C(8);
#endif
#ifdef WEAKEN_FOLLOW
		how.resolve &= ~UINT64_C(6);
#endif
		return syscall(nr, a[0], a[1], &how, a[3]);
	}
	if (nr == 442) { /* mount_setattr */
		struct w_attr attr = *(struct w_attr *)a[3];
#ifdef WEAKEN_NOSUID
		attr.set &= ~UINT64_C(2);
#endif
#ifdef WEAKEN_NODEV
		attr.set &= ~UINT64_C(4);
#endif
#ifdef WEAKEN_READONLY
		attr.set &= ~UINT64_C(1);
#endif
#ifdef WEAKEN_FLAGS_NOT_BELOW
		a[2] &= ~0x8000L;
#endif
#ifdef WEAKEN_PROPAGATION
		attr.propagation = 0;
#endif
		return syscall(nr, a[0], a[1], a[2], &attr, a[4]);
	}
#ifdef WEAKEN_PEEL
	if (nr == 428)
		a[2] &= ~0x8000L;
#endif
#ifdef WEAKEN_LEGACY_OVERLAY /* the answers of Linux 5.12 to 6.4: descriptors are refused, and lowerdir+ only when all is said */
	if (nr == 430 && strcmp((char *)a[0], "overlay") == 0)
		return w_overlay = (int)syscall(nr, a[0], a[1]);
	if (nr == 431 && a[0] == w_overlay && a[1] != 1) {
		errno = a[1] == 5 ? EOPNOTSUPP : EINVAL;
		return -1;
	}
	if (nr == 431 && a[0] == w_overlay && strcmp((char *)a[2], "lowerdir+") == 0)
		return 0;
#endif
#ifdef WEAKEN_SIZE
	if (nr == 431 && a[2] && strcmp((char *)a[2], "size") == 0)
		return 0;
#endif
#ifdef WEAKEN_HOST_PROC
	if (nr == 430 && strcmp((char *)a[0], "proc") == 0)
		return w_proc = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nr == 431 && a[0] == w_proc)
		return 0;
	if (nr == 432 && a[0] == w_proc && (w_proc = -1))
		return syscall(428, AT_FDCWD, "/proc", 1 | O_CLOEXEC | 0x8000);
#endif
	return syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int w_fstat(int fd, struct stat *st)
{
	const int result = fstat(fd, st);

#ifdef WEAKEN_STDIO_DIRECTORY
	if (fd < 3 && result == 0 && S_ISDIR(st->st_mode))
		st->st_mode = S_IFREG;
#endif
#ifdef WEAKEN_OWNER
	if (result == 0 && S_ISDIR(st->st_mode))
		st->st_uid = getuid();
#endif
#ifdef WEAKEN_MODE
	if (result == 0 && S_ISDIR(st->st_mode))
		st->st_mode &= ~022U;
#endif
	return result;
}

static int w_stat(const char *path, struct stat *st)
{
	const int result = stat(path, st);

#ifdef WEAKEN_SLASH
	st->st_ino = 0;
#endif
	return result;
}

static int w_fstatfs(int fd, struct statfs *fs)
{
	const int result = fstatfs(fd, fs);

#ifdef WEAKEN_MAGIC
	fs->f_type = 0;
#endif
#ifdef WEAKEN_LAYER_FLAGS
	fs->f_flags = 0;
#endif
	return result;
}

/* The rest of a table of mounts in which nothing came along: kernel file systems and layers alike. */
static ssize_t w_read(int fd, void *to, size_t size)
{
	const ssize_t n = read(fd, to, size);

#ifdef WEAKEN_OVERMOUNT /* whatever is below a layer or a source hangs on no mount that is known */
	for (char *at = to; n > 0 && (at = memmem(at, (size_t)((char *)to + n - at), "/inner ", 7));) {
		char *line = at, *field;
		while (line > (char *)to && line[-1] != '\n')
			line--;
		field = strchr(line, ' ') + 1;
		while (*field != ' ')
			*field++ = '0';
		at += 7;
	}
#endif
#ifdef WEAKEN_FUSE
	for (char *at = to; n > 0 && (at = memmem(at, (size_t)((char *)to + n - at), " - fuse ", 8));)
		memcpy(at, " - ext4 ", 8);
#endif
	return n;
}

/* What die and the report write. */
static ssize_t w_write(int fd, const void *text, size_t size)
{
#ifdef WEAKEN_REPORT_ON_STDERR
	if (size > 5 && memcmp(text, "xsrc-", 5) == 0)
		fd = 2;
#endif
#ifdef WEAKEN_NOT_ENTERED
	if (size == 8 && memcmp(text, "entered\n", 8) == 0)
		return 8;
#endif
	return write(fd, text, size);
}

static int w_fcntl(int fd, int what, int flags)
{
#ifdef WEAKEN_REPORT_KEPT
	if (what == F_SETFD)
		flags = 0;
#endif
	return fcntl(fd, what, flags);
}

static int w_setrlimit(int what, const struct rlimit *limit)
{
#ifdef WEAKEN_CORE
	return 0;
#endif
	return setrlimit(what, limit);
}

static int w_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
#ifdef WEAKEN_PROPAGATION
	if (flags & MS_PRIVATE)
		return 0;
#endif
	return mount(source, target, type, flags, data);
}

static int w_unshare(int flags)
{
#ifdef WEAKEN_NETNS
	flags &= ~CLONE_NEWNET;
#endif
#ifdef WEAKEN_IPCNS
	flags &= ~CLONE_NEWIPC;
#endif
#ifdef WEAKEN_CGROUPNS
	flags &= ~CLONE_NEWCGROUP;
#endif
	return flags ? unshare(flags) : 0;
}

static int w_poll(struct pollfd *fds, nfds_t count, int timeout)
{
#ifdef WEAKEN_LIFELINE
	if (count == 1)
		return 0;
#endif
#ifdef WEAKEN_PIDFD
	if (count == 2)
		count = 1;
#endif
	return poll(fds, count, timeout);
}

static int w_execve(const char *path, char *const *argv, char *const *env)
{
#ifdef WEAKEN_ENV
	env = environ;
#endif
#ifdef WEAKEN_EXEC_IN_ROOT
	if (strcmp(path, "/x") == 0)
		execve("/r/x", argv, env);
#endif
	return execve(path, argv, env);
}

static int w_umount2(const char *path, int flags)
{
#ifdef WEAKEN_OLD_ROOT
	return 0;
#endif
	return umount2(path, flags);
}

static pid_t w_fork(void)
{
	return w_child = fork();
}

static pid_t w_waitpid(pid_t pid, int *status, int flags)
{
#ifdef WEAKEN_REAP
	if (pid == -1)
		pid = w_child;
#endif
	return waitpid(pid, status, flags);
}

static pid_t w_getppid(void)
{
#ifdef WEAKEN_THREAD_DEATH
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
#endif
#ifdef WEAKEN_PARENT /* whoever -P says */
	char line[65536];
	const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
	close(fd);
	for (ssize_t i = 0; i + 3 < n; i++)
		if (memcmp(line + i, "\0-P\0", 4) == 0)
			return atoi(line + i + 4);
#endif
	return getppid();
}

static int w_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
#ifdef WEAKEN_SIGNALS
	if (how == SIG_SETMASK)
		return 0;
#endif
	return sigprocmask(how, set, old);
}

static int w_exit_status(int status)
{
#ifdef WEAKEN_EXIT
	return status == 137 ? 9 : status;
#endif
	return status;
}

#ifdef WEAKEN_SETSID
#define setsid() 0
#endif
#ifdef WEAKEN_SETUID
#define geteuid() getuid()
#define getegid() getgid()
#endif
#define _exit(code) _exit(w_exit_status(code))
#define prctl(what, ...) w_prctl_pad(what, __VA_ARGS__, 0, 0, 0, 0)
#define w_prctl_pad(what, a, b, c, d, ...) w_prctl(what, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d))
#define syscall(...) w_syscall(__VA_ARGS__)
#define fstat(fd, st) w_fstat(fd, st)
#define stat(path, st) w_stat(path, st)
#define fstatfs(fd, fs) w_fstatfs(fd, fs)
#define read(fd, to, size) w_read(fd, to, size)
#define write(fd, text, size) w_write(fd, text, size)
#define fcntl(...) w_fcntl_pad(__VA_ARGS__, 0, 0)
#define w_fcntl_pad(fd, what, flags, ...) w_fcntl(fd, what, flags)
#define setrlimit(what, limit) w_setrlimit(what, limit)
#define mount(...) w_mount(__VA_ARGS__)
#define unshare(flags) w_unshare(flags)
#define poll(fds, count, timeout) w_poll(fds, count, timeout)
#define execve(path, argv, env) w_execve(path, argv, env)
#define umount2(path, flags) w_umount2(path, flags)
#define fork() w_fork()
#define waitpid(pid, status, flags) w_waitpid(pid, status, flags)
#define getppid() w_getppid()
#define sigprocmask(how, set, old) w_sigprocmask(how, set, old)
