/*
 * xsrc-chroot - change the root, give everything up, run one command.
 *
 *   xsrc-chroot [-E FD] [-0] [-S] [-d DIR] {-e K=V}... -- DIR CMD [ARG...]
 *
 * Needs cap_sys_chroot, by file capability or ambient inside xsrc-mount's user namespace. A process that was chrooted
 * cannot make user namespaces (user_namespaces(7)), which is why this is not a pivot_root. Run by hand by anyone it is
 * harmless: no_new_privs before everything, the caller's own directory only, no descriptors. Order: SECURITY.md.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "filter.h"
#include "priv.h"

const char self[] = "xsrc-chroot";

struct options {
	bool fake_root, no_setid;
	int report; /* descriptor that refusals are written to; 0: stderr */
	const char *workdir, *root;
	char **env, **command;
};

/* The environment is moved to the front of argv: each entry took two places there, so it and its NULL always fit. */
static struct options parse(char **argv)
{
	struct options o = { false, false, 0, "/", NULL, argv, NULL };
	size_t i = 1, n = 0;

	for (; argv[i] && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "-0")) {
			o.fake_root = true;
		} else if (!strcmp(argv[i], "-S")) {
			o.no_setid = true;
		} else if (!strcmp(argv[i], "-E")) {
			o.report = (int)number_arg(argv[++i], BAD_REPORT);
		} else if (!strcmp(argv[i], "-d")) {
			o.workdir = path_arg("-d DIR", argv[++i], true);
		} else if (!strcmp(argv[i], "-e")) {
			argv[n++] = env_arg(argv[++i]);
		} else {
			die("bad option", argv[i], 0, NULL);
		}
	}
	if (!argv[i])
		die("missing arguments", "-- DIR CMD", 0, NULL);
	o.root = path_arg("DIR", argv[i + 1], true);
	(void)path_arg("CMD", argv[i + 2], true);
	o.command = argv + i + 2;
	argv[n] = NULL;
	return o;
}

static uint64_t check_caps(void)
{
	const uint64_t caps = caps_permitted();

	if (caps != 0 && caps != CAP_BIT(K_CAP_SYS_CHROOT) && caps != (CAP_BIT(K_CAP_SYS_CHROOT) | CAP_BIT(K_CAP_SETPCAP)))
		die("unexpected capabilities", NULL, 0, NULL);
	caps_set(caps, false);
	return caps;
}

static void enter(const char *root, const char *workdir)
{
	const int fd = open_root(root);

	if (fchdir(fd) < 0)
		die_path("root", root, errno);
	if (chroot(".") < 0)
		die("chroot", root, errno, "xsrc-chroot needs cap_sys_chroot=ep, on a file system without nosuid");
	if (close(fd) < 0)
		die("close", root, errno, NULL);
	if (chdir(workdir) < 0)
		die("working directory", workdir, errno, NULL);
}

/* The bounding set falls only with CAP_SETPCAP, which a file capability does not bring: there no_new_privs is the bar. */
static void drop_caps(bool setpcap)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0L, 0L, 0L) < 0) {
			if (errno == EINVAL && cap > 0)
				break;
			if (errno != EPERM || setpcap)
				die("bounding set", NULL, errno, NULL);
		}
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) < 0)
		die("ambient set", NULL, errno, NULL);
	caps_set(0, false);
	if (caps_permitted() != 0)
		die("capabilities are left", NULL, 0, NULL);
}

/* What crashes in here is no business of the host's handler of core files, which often is root's. 1 is the value that stops it
 * (core(5)); a hard limit of 0 that the caller has cannot be raised. */
static void limit_core(void)
{
	const struct rlimit one = { 1, 1 };

	if (setrlimit(RLIMIT_CORE, &one) < 0 && errno != EPERM)
		die("core limit", NULL, errno, NULL);
}

/* A filter that was accepted and does nothing would pass unseen: ask it (both calls fail otherwise without one). */
static void test_filter(bool fake_root)
{
	if (syscall(SYS_keyctl, 0L, 0L, 0L) != -1 || errno != ENOSYS)
		die("the seccomp filter does not work", "keyctl", 0, NULL);
	if (fake_root && syscall(SYS_setgroups, 0L, NULL) != 0)
		die("the seccomp filter does not work", "setgroups", errno, NULL);
}

/* The caller's sign that no refusal follows: from here on the command speaks. execve closes the pipe. */
static void report_entered(void)
{
	static const char word[] = "entered\n";

	if (refusals != 2 && write(refusals, word, sizeof word - 1) < 0)
		die("report", NULL, errno, NULL);
}

int main(int argc, char **argv)
{
	no_new_privs();
	check_identity(argc);
	const struct options o = parse(argv);
	check_standard_fds();
	if (o.report)
		report_to(o.report, true);
	close_from(3);
	const uint64_t caps = check_caps();
	enter(o.root, o.workdir);
	drop_caps(caps & CAP_BIT(K_CAP_SETPCAP));
	limit_core();
	install_filter(o.fake_root, o.no_setid);
	test_filter(o.fake_root);
	report_entered();
	execve(o.command[0], o.command, o.env);
	const int err = errno;
	char line[PATH_MAX + 128];
	const int n = snprintf(line, sizeof line, "%s: exec: %s: %s\n", self, o.command[0], strerror(err));
	if (n > 0 && write(2, line, (size_t)n) < 0)
		return EXIT_NOEXEC;
	return err == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC;
}
