/*
 * xsrc-mount - make the namespaces and mounts of one build, then run xsrc-chroot in them and nothing else.
 *
 *   xsrc-mount [-u|-c] [-E FD] [-W] [-l] [-0] [-S] [-T MiB] [-P PID] {-r SRC DST | -w SRC DST | -o DST LAYER... -}...
 *              {-e K=V}... [-d DIR] -- ROOT CMD [ARG...]
 *
 * Needs cap_sys_admin (and cap_net_admin to raise lo); without them it does the same in a user namespace of the caller.
 * SECURITY.md has the facts, the requirements (R) and the order of calls, which main follows by number.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "cell.h"
#include "overlay.h"
#include "priv.h"
#include "table.h"
#include "tree.h"

#define USERNS_HINT "setcap cap_sys_admin,cap_net_admin=ep xsrc-mount; or allow user namespaces: " \
	"kernel.apparmor_restrict_unprivileged_userns=0, kernel.unprivileged_userns_clone=1, user.max_user_namespaces>0; " \
	"they are also refused inside a chroot"

const char self[] = "xsrc-mount";

static char helper_name[] = "xsrc-chroot";

static void set_dumpable(unsigned long on)
{
	if (prctl(PR_SET_DUMPABLE, on, 0L, 0L, 0L) < 0)
		die("dumpable", NULL, errno, NULL);
}

/* A file capability may be missing although it is set on the file (tracer, no_new_privs, nosuid): believe the permitted set. */
static bool choose_userns(void)
{
	const uint64_t caps = caps_permitted(), admin = CAP_BIT(K_CAP_SYS_ADMIN);

	if (caps != 0 && caps != admin && caps != (admin | CAP_BIT(K_CAP_NET_ADMIN)))
		die("unexpected capabilities", NULL, 0, NULL);
	if (opt.caps && caps == 0)
		die("no capabilities", NULL, 0, "setcap cap_sys_admin,cap_net_admin=ep xsrc-mount, on a file system without nosuid");
	const bool userns = opt.userns || caps == 0;
	caps_set(userns ? 0 : caps, false);
	/* A file with capabilities starts non-dumpable, which gives its /proc/self/uid_map to root. */
	if (userns)
		set_dumpable(1);
	return userns;
}

/* Blocks everything; of the signals that end a build, those ignored by nohup or a background shell stay ignored. */
static sigset_t prepare_signals(void)
{
	static const int job[] = { SIGHUP, SIGINT, SIGQUIT };
	sigset_t all, wanted;
	struct sigaction sa;
	bool ok = sigfillset(&all) == 0 && sigprocmask(SIG_BLOCK, &all, NULL) == 0 && signal(SIGCHLD, SIG_DFL) != SIG_ERR;

	ok = ok && sigemptyset(&wanted) == 0 && sigaddset(&wanted, SIGCHLD) == 0 && sigaddset(&wanted, SIGTERM) == 0;
	for (size_t i = 0; ok && i < sizeof job / sizeof *job; i++) {
		ok = sigaction(job[i], NULL, &sa) == 0;
		if (ok && sa.sa_handler != SIG_IGN)
			ok = sigaddset(&wanted, job[i]) == 0;
	}
	if (!ok)
		die("signals", NULL, errno, NULL);
	return wanted;
}

static void restore_signals(void)
{
	sigset_t none;

	for (int n = 1; n < 65; n++)
		(void)signal(n, SIG_DFL); /* fails for KILL, STOP and the libc's own */
	if (sigemptyset(&none) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		die("signals", NULL, errno, NULL);
}

static void write_id(int proc, const char *file, const char *text)
{
	const int fd = openat(proc, file, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) >= 0 && close(fd) == 0)
		return;
	if (errno == EPERM || errno == EACCES)
		die("the user namespace has no capabilities (AppArmor?)", file, errno, USERNS_HINT);
	die("user namespace", file, errno, NULL);
}

/* setgroups must be denied before gid_map (user_namespaces(7)), else group permissions could be shed. */
static void map_ids(int proc, const char *uid_map, const char *gid_map)
{
	if (unshare(CLONE_NEWUSER) < 0)
		die("user namespaces are not available and the helper has no file capability", NULL, errno, USERNS_HINT);
	write_id(proc, "self/setgroups", "deny");
	write_id(proc, "self/uid_map", uid_map);
	write_id(proc, "self/gid_map", gid_map);
	(void)close(proc); /* the outer process is to hold nothing of the host's that is not the caller's (R37) */
}

/* CAP_SYS_ADMIN alone cannot (EPERM): a build then has no loopback, which is safe and enough for most. */
static void raise_lo(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	r.ifr_flags = IFF_UP;
	if ((s < 0 || ioctl(s, SIOCSIFFLAGS, &r) < 0) && (errno != EPERM || opt.need_lo))
		die("loopback", "lo", errno, "setcap cap_sys_admin,cap_net_admin=ep xsrc-mount");
	if (s >= 0)
		(void)close(s);
}

static _Noreturn void end(pid_t child, int code)
{
	int status;

	(void)kill(child, SIGKILL); /* pid 1 of its namespace: everything in there goes with it */
	(void)waitpid(child, &status, 0);
	_exit(code);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The process xsrc waits for. Not PDEATHSIG toward xsrc: that fires when the thread that started us ends (fact 9). */
static _Noreturn void wait_outside(pid_t child, int caller, const sigset_t *wanted)
{
	struct pollfd p[2] = { { signalfd(-1, wanted, SFD_CLOEXEC), POLLIN, 0 }, { caller, POLLIN, 0 } };
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (p[0].fd < 0 || poll(p, 2, -1) < 0) /* a negative fd would be waited for in silence, forever */
			die("signalfd", NULL, errno, NULL);
		if (p[1].revents)
			end(child, EXIT_SIGNAL + SIGKILL);
		if (!p[0].revents)
			continue;
		if (read(p[0].fd, &info, sizeof info) != sizeof info)
			die("signalfd", NULL, errno, NULL);
		if (info.ssi_signo != SIGCHLD)
			end(child, EXIT_SIGNAL + (int)info.ssi_signo);
		if (waitpid(child, &status, WNOHANG) == child)
			_exit(exit_code(status));
	}
}

static void die_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L) < 0)
		die("parent death signal", NULL, errno, NULL);
}

/* The outer process may have died before the signal was asked for, and getppid() is 0 here either way: its end of the pipe tells. */
static void die_with_outer(const int *lifeline)
{
	struct pollfd p = { lifeline[0], POLLIN, 0 };

	die_with_parent();
	if (close(lifeline[1]) < 0 || poll(&p, 1, 0) != 0)
		_exit(EXIT_REFUSED);
	(void)close(lifeline[0]);
}

static int open_host_proc(void)
{
	const int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die("open", "/proc", errno, NULL);
	return fd;
}

static _Noreturn void reap(pid_t child)
{
	int status;

	for (;;) {
		const pid_t pid = waitpid(-1, &status, 0);
		if (pid == child)
			_exit(exit_code(status)); /* the kernel kills what the command left behind */
		if (pid < 0)
			_exit(EXIT_REFUSED);
	}
}

/* A second user namespace, with the caller's own ids, so that both modes look alike to the command; made before any chroot,
 * after which it would be refused. Ambient capabilities carry xsrc-chroot over execve, having no file capability there. */
static void own_ids(int proc, const char *uid_map, const char *gid_map)
{
	static const unsigned long keep[] = { K_CAP_SYS_CHROOT, K_CAP_SETPCAP };

	map_ids(proc, uid_map, gid_map);
	caps_set(CAP_BIT(K_CAP_SYS_CHROOT) | CAP_BIT(K_CAP_SETPCAP), true);
	for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, keep[i], 0L, 0L) < 0)
			die("ambient set", NULL, errno, NULL);
}

int main(int argc, char **argv)
{
	const pid_t parent = getppid();
	const unsigned uid = getuid(), gid = getgid();
	char outer_uids[32], outer_gids[32], inner_uids[32], inner_gids[32];
	char *no_env[] = { NULL };
	int lifeline[2], nodes[N_DEVICES], blanks[N_HIDDEN];

	check_identity(argc); /* 1 */
	parse(argv); /* 2 */
	check_standard_fds(); /* 3 */
	if (opt.report)
		report_to(opt.report, false);
	close_from(3); /* 4 */
	const bool userns = choose_userns(); /* 5 */
	(void)umask(022); /* 6; cannot fail */
	const sigset_t wanted = prepare_signals();
	(void)snprintf(outer_uids, sizeof outer_uids, "0 %u 1", uid); /* four times: two numbers fit */
	(void)snprintf(outer_gids, sizeof outer_gids, "0 %u 1", gid);
	(void)snprintf(inner_uids, sizeof inner_uids, "%u 0 1", uid);
	(void)snprintf(inner_gids, sizeof inner_gids, "%u 0 1", gid);
	if (userns) /* 7, 8; 9: with capabilities never a user namespace, the caller would own it (R27) */
		map_ids(open_host_proc(), outer_uids, outer_gids);
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP) < 0) /* 10 */
		die("unshare", "namespaces", errno, userns ? USERNS_HINT : NULL);
	raise_lo(); /* 11 */
	const int caller = (int)syscall(SYS_pidfd_open, parent, 0); /* 12 */
	/* A caller that ended before we could look at it has left us to another parent: only its own word tells who it was. */
	if (caller < 0 || getppid() != parent || (opt.parent && parent != opt.parent))
		die("the caller is gone", NULL, caller < 0 ? errno : 0, NULL);
	if (pipe2(lifeline, O_CLOEXEC) < 0)
		die("pipe", NULL, errno, NULL);
	const pid_t first = fork();
	if (first < 0)
		die("fork", NULL, errno, NULL);
	if (first > 0) {
		caps_set(0, false);
		no_new_privs();
		set_dumpable(0);
		stop_reporting();
		(void)close(lifeline[0]); /* the other end stays open as long as this process lives */
		wait_outside(first, caller, &wanted);
	}

	die_with_outer(lifeline); /* 13 */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) /* 14 */
		die("mount: private", "/", errno, errno == EINVAL ? "/ is not a mount point (chroot?)" : USERNS_HINT);
	if (sethostname("xsrc", 4) < 0)
		die("sethostname", NULL, errno, NULL);
	const int r = open_root(opt.root); /* 15: not earlier, a descriptor from before unshare belongs to a foreign mount */
	const int h = open_helper(userns); /* 16 */
	const int bare = opt.root_overlay ? -1 : clone_tree(r, opt.root); /* 17 */
	open_items(userns);
	for (size_t i = 0; i < N_DEVICES; i++)
		nodes[i] = open_device(i);
	const int cell = make_cell(r, blanks); /* 18 */
	const bool layered = make_overlays(cell);
	const int t = opt.root_overlay ? opt.root_overlay->fd : bare;
	restrict_tree(t, K_NOSUID | K_NODEV | (opt.writable ? 0U : K_RDONLY), true, opt.root); /* 19 */
	if (opt.root_overlay)
		attach_item(opt.root_overlay, cell, "r");
	else
		attach(t, cell, "r", opt.root);
	/* Without nosuid only where the file capability is wanted: in a user namespace it would clear the ambient set. */
	restrict_tree(h, K_RDONLY | K_NODEV | (userns ? K_NOSUID : 0U), false, "xsrc-chroot");
	attach(h, cell, "x", "xsrc-chroot");
	const int base = open_path(cell, "r", O_DIRECTORY, true); /* 20 */
	if (base < 0)
		die_path("root", opt.root, errno);
	const int proc = make_base(base, nodes, blanks);
	attach_items(base); /* 21 */
	enter_cell(cell); /* 22 */
	check_mounts(proc, userns);
	if (layered)
		detach_layers();

	const pid_t second = fork(); /* 23 */
	if (second < 0)
		die("fork", NULL, errno, NULL);
	if (second > 0) {
		set_dumpable(0); /* or the command could change the helper's file through /proc/1/exe (R30) */
		caps_set(0, false);
		no_new_privs();
		die_with_parent(); /* again: some changes of credentials clear it (PR_SET_PDEATHSIG(2const)) */
		stop_reporting();
		close_from(0);
		reap(second);
	}

	restore_signals(); /* 24 */
	if (setsid() < 0)
		die("setsid", NULL, errno, NULL);
	if (userns) /* 25 */
		own_ids(proc, inner_uids, inner_gids);
	else
		caps_set(0, false);
	close_from(3);
	argv[0] = helper_name;
	execve("/x", argv, no_env); /* 26 */
	die("exec", "xsrc-chroot", errno, NULL);
}
