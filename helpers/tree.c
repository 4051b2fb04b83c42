/*
 * tree.c - mounts as descriptors: file systems, clones of trees, and what may be a source or a layer.
 * A path of the caller is opened once; everything after goes by that descriptor, because mount(2) by path is won by whoever
 * swaps a directory for a link in between (SECURITY.md fact 3).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "priv.h"
#include "tree.h"

enum { K_CLONE = 1, K_RECURSIVE = 0x8000 }; /* OPEN_TREE_CLONE, AT_RECURSIVE */
enum { K_FROM_EMPTY = 0x04, K_TO_EMPTY = 0x40 }; /* MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH */
enum { K_STATX_MNT_ID = 0x1000 };
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

struct attr64 {
	uint64_t set, clear, propagation, userns;
};

struct our_mount ours[MAX_OURS];
size_t n_ours;

/* Only ever sets flags: what was locked read-only, nodev or noexec stays so, also where remount would fail with EPERM. */
void restrict_tree(int fd, uint64_t set, bool recursive, const char *name)
{
	const struct attr64 a = { set, 0, MS_PRIVATE, 0 };

	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? K_RECURSIVE : 0), &a, sizeof a) < 0)
		die("mount_setattr", name, errno, NULL);
}

/* Recursive, or the clone shows what another mount was laid over to hide (SECURITY.md fact 6). */
int clone_tree(int fd, const char *name)
{
	const int t = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | O_CLOEXEC | K_CLONE | K_RECURSIVE);

	if (t < 0)
		die("open_tree", name, errno, NULL);
	return t;
}

/* The number that the mount has in mountinfo, whatever its path becomes. */
static uint64_t mount_id(int fd)
{
	struct {
		uint32_t mask, other[35];
		uint64_t mnt_id, more[13];
	} st = { .mask = 0 }; /* struct statx, 256 bytes */

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, K_STATX_MNT_ID, &st) < 0 || !(st.mask & K_STATX_MNT_ID))
		die("statx", "mount", errno, NULL);
	return st.mnt_id;
}

void attach(int tree, int dir, const char *path, const char *name)
{
	const unsigned flags = K_FROM_EMPTY | (*path ? 0U : K_TO_EMPTY);

	if (n_ours == MAX_OURS)
		die("too many mounts", name, 0, NULL);
	if (syscall(SYS_move_mount, tree, "", dir, path, flags) < 0)
		die("move_mount", name, errno, NULL);
	ours[n_ours].id = mount_id(tree);
	ours[n_ours++].name = name;
}

int set_option(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, K_SET_STRING, key, value, 0);
}

/* options: pairs of our own words; no text of the caller comes here (R20). */
int new_fs(const char *type, const char *const *options, uint64_t attrs, const char *hint)
{
	int m = -1;
	const int fs = (int)syscall(SYS_fsopen, type, 1);
	bool ok = fs >= 0;

	for (; ok && options && options[0]; options += 2)
		ok = set_option(fs, options[0], options[1]) == 0;
	ok = ok && syscall(SYS_fsconfig, fs, K_CREATE, NULL, NULL, 0) == 0;
	if (ok)
		m = (int)syscall(SYS_fsmount, fs, 1, attrs);
	if (m < 0)
		die("mount", type, errno, errno == EPERM || errno == EACCES ? hint : NULL);
	(void)close(fs); /* the mount holds the file system */
	return m;
}

/* A -r or -w source (R13). Sockets, FIFOs and devices stay usable through a read-only bind: only files and directories. */
int open_source(const char *path, bool *is_dir)
{
	struct stat st;
	const int fd = open_path(AT_FDCWD, path, 0, false);

	if (fd < 0 || fstat(fd, &st) < 0)
		die_path("source", path, errno);
	*is_dir = S_ISDIR(st.st_mode);
	if (!*is_dir && !S_ISREG(st.st_mode))
		die("source: neither a directory nor a file", path, 0, NULL);
	if (is_slash(&st))
		die("source: refusing /", path, 0, NULL);
	refuse_kernel_fs(fd, "source: a kernel file system", path);
	const int tree = clone_tree(fd, path);
	(void)close(fd);
	return tree;
}

/* R42: a directory of the caller that only the caller can change, or one of the fixed system directories. In a user namespace
 * root's uid is not mapped and reads as the overflow uid; there the name alone must do, and the caller's rights are all we have. */
int open_layer(const char *path, bool userns)
{
	static const char *const system_dirs[] = {
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives",
		"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64",
	};
	struct stat st;
	bool known = false;
	const int fd = open_path(AT_FDCWD, path, O_DIRECTORY, false);

	if (fd < 0 || fstat(fd, &st) < 0)
		die_path("layer", path, errno);
	for (size_t i = 0; i < sizeof system_dirs / sizeof *system_dirs; i++)
		known = known || !strcmp(path, system_dirs[i]);
	if (is_slash(&st))
		die("layer: refusing /", path, 0, NULL);
	if (st.st_uid != getuid() && !(known && (userns || st.st_uid == 0)))
		die("layer: not owned by the caller, nor a system directory", path, 0, NULL);
	if (st.st_mode & 022)
		die("layer: writable by others", path, 0, NULL);
	refuse_kernel_fs(fd, "layer: a kernel file system", path);
	const int tree = clone_tree(fd, path);
	(void)close(fd);
	return tree;
}
