/*
 * cell.c - the file system of one build, put together from detached trees: ROOT or its overlay, /proc, /sys, /dev, /tmp and the
 * caller's binds, inside a small tmpfs. Each function that main calls is one of its steps.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "args.h"
#include "cell.h"
#include "overlay.h"
#include "priv.h"
#include "table.h"
#include "tree.h"

#define PROC_HINT "run with file capabilities, or unmask /proc and /sys of this container"

static const struct {
	const char *path, *name;
	unsigned minor;
} devices[] = {
	{ "/dev/null", "null", 3 }, { "/dev/zero", "zero", 5 }, { "/dev/full", "full", 7 },
	{ "/dev/random", "random", 8 }, { "/dev/urandom", "urandom", 9 },
};

/* In /proc: the caller's keys by name, and how many each user has. Keyrings know no namespaces (R46). */
static const char *const hidden[] = { "keys", "key-users" };

_Static_assert(sizeof devices / sizeof *devices == N_DEVICES, "each device is in the table");
_Static_assert(sizeof hidden / sizeof *hidden == N_HIDDEN, "each hidden file is in the table");

/* With capabilities the installed file, which root alone can change; else our neighbour, run with the caller's own rights. */
int open_helper(bool userns)
{
	char path[PATH_MAX] = LIBEXECDIR "/xsrc-chroot";
	struct stat st;

	if (userns) {
		const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "xsrc-chroot");
		if (n < 0)
			die("helper", "/proc/self/exe", errno, NULL);
		path[n] = '\0';
		char *const slash = strrchr(path, '/');
		if (!slash)
			die("helper: no directory", path, 0, NULL);
		memcpy(slash + 1, "xsrc-chroot", sizeof "xsrc-chroot"); /* the room was kept at readlink */
	}
	const int fd = open_path(AT_FDCWD, path, 0, false);
	if (fd < 0 || fstat(fd, &st) < 0)
		die_path("helper", path, errno);
	if (!S_ISREG(st.st_mode) || (!userns && (st.st_uid != 0 || st.st_mode & 022)))
		die("helper: not a file of root that only root can change", path, 0, NULL);
	return clone_tree(fd, path);
}

int open_device(size_t i)
{
	struct stat st;
	const int fd = open_path(AT_FDCWD, devices[i].path, 0, false);

	if (fd < 0 || fstat(fd, &st) < 0)
		die_path("device", devices[i].path, errno);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, devices[i].minor))
		die("not a device", devices[i].path, 0, NULL);
	return clone_tree(fd, devices[i].path);
}

void open_items(bool userns)
{
	for (struct item *it = opt.items; it < opt.items + opt.n_items; it++) {
		it->is_dir = true;
		if (it->kind != 'o')
			it->fd = open_source(it->src, &it->is_dir);
		for (size_t i = it->first; i < it->first + it->count; i++)
			opt.layers[i] = open_layer(opt.layer_paths[i], userns);
	}
}

/* Gives whether there is one. A layer alone is a bind, for overlayfs wants two (fact 11). */
bool make_overlays(int cell)
{
	bool any = false;

	for (struct item *it = opt.items; it < opt.items + opt.n_items; it++) {
		if (it->count == 1)
			it->fd = opt.layers[it->first];
		if (it->count < 2)
			continue;
		if (!any)
			make_shelf(cell);
		any = true;
		attach_layers(opt.layers + it->first, opt.layer_paths + it->first, it->count, cell);
		it->fd = overlay(opt.layers + it->first, it->count, cell);
		const uint64_t flags = layer_flags(opt.layers + it->first, it->count);
		if (flags)
			restrict_tree(it->fd, flags, false, it->dst);
	}
	return any;
}

void attach_item(const struct item *it, int dir, const char *path)
{
	attach(it->fd, dir, path, it->src ? it->src : it->count == 1 ? opt.layer_paths[it->first] : it->dst);
	ours[n_ours - 1].layer = it->count == 1;
}

/* The whole file system of the namespace: r, the root, and x, the only file in sight that may give a capability (fact 1). Until it
 * is covered x is an empty file: what hides others. */
int make_cell(int root, int *blanks)
{
	static const char *const options[] = { "mode", "0755", "size", "64k", "nr_inodes", "16", NULL };
	const int cell = new_fs("tmpfs", options, K_NOSUID | K_NODEV, NULL);
	const int x = openat(cell, "x", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);

	if (x < 0 || mkdirat(cell, "r", 0755) < 0)
		die("cell", NULL, errno, NULL);
	attach(cell, root, "", "cell");
	for (size_t i = 0; i < N_HIDDEN; i++)
		blanks[i] = clone_tree(x, "cell");
	(void)close(x);
	return cell;
}

static void mount_at(int base, const char *name, int tree)
{
	const int fd = open_path(base, name, O_DIRECTORY, true);

	if (fd < 0)
		die("the root needs a directory", name, errno, errno == ELOOP ? LINK_HINT : NULL);
	attach(tree, fd, "", name);
	(void)close(fd);
}

/* Mode 0755: in a sticky, world-writable directory fs.protected_regular makes "> /dev/null" fail with EACCES (fact 12). */
static void make_dev(int base, const int *nodes)
{
	static const char *const dev_options[] = { "mode", "0755", "size", "64k", "nr_inodes", "32", NULL };
	static const char *const pts_options[] = { "mode", "0620", "ptmxmode", "0666", NULL };
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" },
	};
	const char *const shm_options[] = { "mode", "1777", "size", opt.size, "nr_inodes", opt.inodes, NULL };
	const int dev = new_fs("tmpfs", dev_options, K_NOSUID | K_NODEV | K_NOEXEC, NULL);

	mount_at(base, "dev", dev);
	for (size_t i = 0; i < N_DEVICES; i++) {
		const int fd = openat(dev, devices[i].name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
		if (fd < 0 || close(fd) < 0)
			die("dev", devices[i].name, errno, NULL);
		attach(nodes[i], dev, devices[i].name, devices[i].name);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			die("dev", links[i][1], errno, NULL);
	if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "shm", 0755) < 0)
		die("dev", "pts, shm", errno, NULL);
	restrict_tree(dev, K_RDONLY | K_NOSUID | K_NOEXEC, true, "dev"); /* with the nodes, whose mounts alone are not nodev */
	mount_at(dev, "pts", new_fs("devpts", pts_options, K_NOSUID | K_NOEXEC, NULL));
	mount_at(dev, "shm", new_fs("tmpfs", shm_options, K_NOSUID | K_NODEV, NULL));
}

static void hide(int proc, const int *blanks)
{
	for (size_t i = 0; i < N_HIDDEN; i++) {
		const int fd = open_path(proc, hidden[i], 0, true);
		if (fd < 0 && errno == ENOENT) /* a kernel without keys */
			continue;
		if (fd < 0)
			die("proc", hidden[i], errno, NULL);
		restrict_tree(blanks[i], K_RDONLY | K_NOSUID | K_NODEV | K_NOEXEC, false, hidden[i]);
		attach(blanks[i], fd, "", hidden[i]);
		(void)close(fd);
	}
}

/* Returns proc: always a new one of the new pid namespace, never the host's (R17). */
int make_base(int base, const int *nodes, const int *blanks)
{
	const char *const tmp_options[] = { "mode", "1777", "size", opt.size, "nr_inodes", opt.inodes, NULL };
	const int proc = new_fs("proc", NULL, K_NOSUID | K_NODEV | K_NOEXEC, PROC_HINT);

	mount_at(base, "proc", proc);
	hide(proc, blanks);
	mount_at(base, "sys", new_fs("sysfs", NULL, K_RDONLY | K_NOSUID | K_NODEV | K_NOEXEC, PROC_HINT));
	make_dev(base, nodes);
	mount_at(base, "tmp", new_fs("tmpfs", tmp_options, K_NOSUID | K_NODEV, NULL));
	return proc;
}

void attach_items(int base)
{
	struct stat st, top;

	if (fstat(base, &top) < 0)
		die("root", opt.root, errno, NULL);
	for (const struct item *it = opt.items; it < opt.items + opt.n_items; it++) {
		if (it == opt.root_overlay)
			continue;
		restrict_tree(it->fd, K_NOSUID | K_NODEV | (it->kind == 'w' ? 0U : K_RDONLY), true, it->dst);
		const int d = open_path(base, it->dst, 0, true);
		if (d < 0 || fstat(d, &st) < 0)
			die_path("destination", it->dst, errno);
		if (st.st_dev == top.st_dev && st.st_ino == top.st_ino)
			die("destination: only an overlay can be the root", it->dst, 0, NULL);
		if (S_ISDIR(st.st_mode) != it->is_dir)
			die("destination: a directory and a file", it->dst, 0, NULL);
		attach_item(it, d, "");
		(void)close(d);
		(void)close(it->fd);
	}
}

/* Swaps the host's tree for the cell: with the old root stacked on top of it, one lazy umount removes everything else. */
void enter_cell(int cell)
{
	restrict_tree(cell, K_RDONLY | K_NOSUID | K_NODEV, false, "cell");
	if (fchdir(cell) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		die("pivot_root", NULL, errno, errno == EINVAL ? "is / a mount point? (chroot)" : NULL);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("umount", "the host's tree", errno, NULL);
}
