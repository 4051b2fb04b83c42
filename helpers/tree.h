/*
 * tree.h - mounts as descriptors: file systems, clones of trees, read-only overlays, and what may be used for them.
 * Only xsrc-mount includes it. A path of the caller is opened once; everything after goes by that descriptor, because
 * mount(2) by path is won by whoever swaps a directory for a link in between (SECURITY.md fact 3).
 */
#ifndef TREE_H
#define TREE_H

#include <sys/mount.h>
#include <sys/statfs.h>

#include "priv.h"

enum { K_RDONLY = 0x01, K_NOSUID = 0x02, K_NODEV = 0x04, K_NOEXEC = 0x08 }; /* MOUNT_ATTR_* */
enum { K_CLONE = 1, K_RECURSIVE = 0x8000 }; /* OPEN_TREE_CLONE, AT_RECURSIVE */
enum { K_SET_FLAG = 0, K_SET_STRING = 1, K_SET_FD = 5, K_CREATE = 6 }; /* FSCONFIG_* */
enum { K_FROM_EMPTY = 0x04, K_TO_EMPTY = 0x40 }; /* MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH */
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

struct attr64 {
	uint64_t set, clear, propagation, userns;
};

static struct {
	char text[1 << 20]; /* one kind byte and one path for each mount of this namespace */
	size_t len;
} mounts;

/* Only ever sets flags: what was locked read-only, nodev or noexec stays so, also where remount would fail with EPERM. */
static void restrict_tree(int fd, uint64_t set, bool recursive, const char *name)
{
	const struct attr64 a = { set, 0, MS_PRIVATE, 0 };

	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? K_RECURSIVE : 0), &a, sizeof a) < 0)
		die("mount_setattr", name, errno, NULL);
}

/* Recursive, or the clone shows what another mount was laid over to hide (SECURITY.md fact 6). */
static int clone_tree(int fd, const char *name)
{
	const int t = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | O_CLOEXEC | K_CLONE | K_RECURSIVE);

	if (t < 0)
		die("open_tree", name, errno, NULL);
	return t;
}

static void attach(int tree, int dir, const char *path, const char *name)
{
	const unsigned flags = K_FROM_EMPTY | (*path ? 0U : K_TO_EMPTY);

	if (syscall(SYS_move_mount, tree, "", dir, path, flags) < 0)
		die("move_mount", name, errno, NULL);
}

static int set_option(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, K_SET_STRING, key, value, 0);
}

/* options: pairs of our own words; no text of the caller comes here (R20). */
static int new_fs(const char *type, const char *const *options, uint64_t attrs, const char *hint)
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

static bool is_pseudo(const char *type)
{
	static const char *const names[] = {
		"proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "tracefs", "securityfs", "configfs", "bpf",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(type, names[i]))
			return true;
	return false;
}

/* Copies a field of mountinfo, where space, tab, newline, backslash and # are written as \ooo. */
static char *unescape(char *to, const char *from)
{
	for (; *from && *from != ' '; to++) {
		if (*from == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return to + 1;
}

/* Reads /proc/self/mountinfo once and keeps, in place, what is asked later: where something is mounted and its kind. */
static void read_mounts(void)
{
	ssize_t n = 1;
	size_t len = 0;
	const int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && n > 0 && len < sizeof mounts.text - 1) {
		n = read(fd, mounts.text + len, sizeof mounts.text - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		die("mount table", "/proc/self/mountinfo", errno, NULL);
	if (n > 0)
		die("mount table: too many mounts", NULL, 0, NULL);
	(void)close(fd);
	mounts.text[len] = '\0';
	char *out = mounts.text;
	for (char *line = mounts.text, *next; *line; line = next) {
		char *const end = strchr(line, '\n');
		if (!end)
			die("mount table: no end of line", NULL, 0, NULL);
		*end = '\0';
		next = end + 1;
		char *type = strstr(line, " - ");
		char *where = line;
		for (int field = 1; where && field < 5; field++)
			where = (where = strchr(where, ' ')) ? where + 1 : NULL;
		if (!type || !where)
			die("mount table: unknown form", NULL, 0, NULL);
		type += 3;
		type[strcspn(type, " ")] = '\0';
		*out++ = is_pseudo(type) ? 'p' : 'm';
		out = unescape(out, where);
	}
	mounts.len = (size_t)(out - mounts.text);
}

/* R43: overlayfs clones the layer's own mount only, so a mount below it would be uncovered; a recursive clone keeps the mounts,
 * but a host's /proc among them is a way out through /proc/PID/root. The table was read before we mounted anything. */
static void refuse_below(int fd, bool pseudo_only, const char *what, const char *name)
{
	char link[32], path[PATH_MAX];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd); /* always fits */
	const ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0 || n >= (ssize_t)sizeof path - 1 || *path != '/')
		die(what, name, n < 0 ? errno : ENAMETOOLONG, NULL);
	path[n] = '\0';
	const size_t len = n == 1 ? 0 : (size_t)n;
	for (const char *m = mounts.text; m < mounts.text + mounts.len; m += strlen(m) + 1) {
		if ((*m == 'p' || !pseudo_only) && !strncmp(m + 1, path, len) && m[1 + len] == '/' && m[2 + len]) {
			char text[PATH_MAX + 64];
			(void)snprintf(text, sizeof text, "%s is mounted there", m + 1); /* a cut hint is still one */
			die(pseudo_only ? "a kernel file system is mounted below" : "a mount lies below this layer", name, 0, text);
		}
	}
}

/* A -r or -w source (R13). Sockets, FIFOs and devices stay usable through a read-only bind: only files and directories. */
static int open_source(const char *path, bool *is_dir)
{
	static const uint32_t magic[] = { /* proc sysfs cgroup cgroup2 devpts debugfs tracefs securityfs configfs bpf */
		0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673, 0x62656570, 0xcafe4a11,
	};
	struct stat st;
	struct statfs fs;
	const int fd = open_path(AT_FDCWD, path, 0, false);

	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		die_path("source", path, errno);
	*is_dir = S_ISDIR(st.st_mode);
	if (!*is_dir && !S_ISREG(st.st_mode))
		die("source: neither a directory nor a file", path, 0, NULL);
	if (is_slash(&st))
		die("source: refusing /", path, 0, NULL);
	for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
		if ((uint32_t)fs.f_type == magic[i])
			die("source: a kernel file system", path, 0, NULL);
	if (*is_dir)
		refuse_below(fd, true, "source", path);
	const int tree = clone_tree(fd, path);
	(void)close(fd);
	return tree;
}

/* R42: a directory of the caller that only the caller can change, or one of the fixed system directories. In a user namespace
 * root's uid is not mapped and reads as the overflow uid; there the name alone must do, and the caller's rights are all we have. */
static int open_layer(const char *path, bool userns)
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
	refuse_below(fd, false, "layer", path);
	return fd;
}

/* Before Linux 6.5: mount(2) with names relative to /proc/self/fd, onto the cell's r by descriptor, then taken off as a tree.
 * (fsconfig would cut the list at 256 bytes there.) */
static int overlay_by_mount(const int *layers, size_t n, int cell)
{
	char data[4096], at[16], top[16];
	size_t len = (size_t)snprintf(data, sizeof data, "redirect_dir=nofollow,metacopy=off,index=off,lowerdir=");
	const int r = open_path(cell, "r", O_DIRECTORY, true);

	for (size_t i = 0; i < n && len < sizeof data; i++)
		len += (size_t)snprintf(data + len, sizeof data - len, i ? ":%d" : "%d", layers[i]);
	if (len >= sizeof data)
		die("overlay: too many layers for this kernel", NULL, 0, NULL);
	(void)snprintf(at, sizeof at, "%d", r);
	if (r < 0 || chdir("/proc/self/fd") < 0 || mount("overlay", at, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, data) < 0)
		die("mount", "overlay", errno, errno == ENODEV ? "this kernel has no overlay module" : NULL);
	const int above = open_path(cell, "r", O_DIRECTORY, true);
	if (above < 0)
		die("overlay", "r", errno, NULL);
	const int tree = clone_tree(above, "overlay");
	(void)snprintf(top, sizeof top, "%d", above);
	if (umount2(top, MNT_DETACH) < 0 || chdir("/") < 0 || close(above) < 0 || close(r) < 0)
		die("overlay", "umount", errno, NULL);
	return tree;
}

/* The layers as one read-only tree, top first. No userxattr, nothing redirected and no metacopy: then the only attributes with a
 * meaning are trusted.overlay.*, which the owner of a layer cannot set. One layer is a bind: overlayfs wants two (fact 11). */
static int overlay(const int *layers, size_t n, int cell)
{
	bool strings = false;
	char text[256];

	if (n == 1)
		return clone_tree(layers[0], "layer");
	const int fs = (int)syscall(SYS_fsopen, "overlay", 1);
	bool ok = fs >= 0;
	for (size_t i = 0; ok && i < n; i++) {
		ok = !strings && syscall(SYS_fsconfig, fs, K_SET_FD, "lowerdir+", NULL, layers[i]) == 0; /* Linux 6.13 */
		if (!ok && (strings || (i == 0 && (errno == EINVAL || errno == EOPNOTSUPP)))) { /* the latter before 6.5 */
			strings = true;
			(void)snprintf(text, sizeof text, "/proc/self/fd/%d", layers[i]);
			ok = set_option(fs, "lowerdir+", text) == 0; /* Linux 6.5 */
		}
	}
	ok = ok && set_option(fs, "redirect_dir", "nofollow") == 0 && set_option(fs, "metacopy", "off") == 0;
	ok = ok && set_option(fs, "index", "off") == 0 && syscall(SYS_fsconfig, fs, K_CREATE, NULL, NULL, 0) == 0;
	const int m = ok ? (int)syscall(SYS_fsmount, fs, 1, K_RDONLY | K_NOSUID | K_NODEV) : -1;
	const int err = errno;
	if (m < 0 && fs >= 0 && strings) {
		(void)close(fs);
		return overlay_by_mount(layers, n, cell);
	}
	if (m < 0) {
		const ssize_t len = fs >= 0 ? read(fs, text, sizeof text - 1) : 0; /* the kernel's own words, "e overlay: ..." */
		text[len > 0 ? len : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		const char *const known = err == ENODEV ? "this kernel has no overlay module" :
			err == ELOOP ? "a layer is given twice, or lies inside another" : NULL;
		die("mount", "overlay", err, known ? known : *text ? text : NULL);
	}
	(void)close(fs);
	return m;
}

#endif
