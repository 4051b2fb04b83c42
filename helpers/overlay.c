/*
 * overlay.c - read-only overlays of layers that were opened and cloned, however this kernel wants them given.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "overlay.h"
#include "priv.h"
#include "table.h"
#include "tree.h"

enum { K_ST_NOEXEC = 0x08, K_ST_NOSYMFOLLOW = 0x2000 }; /* ST_* of statfs(2) */

/* A mount of its own, so that one umount takes all layers: of a stack umount takes the topmost alone. */
void make_shelf(int cell)
{
	if (mkdirat(cell, "l", 0755) < 0 || mkdirat(cell, "l/s", 0755) < 0)
		die("cell", "l", errno, NULL);
	const int l = open_path(cell, "l", O_DIRECTORY, true);
	if (l < 0)
		die("cell", "l", errno, NULL);
	attach(clone_tree(l, "l"), l, "", "l");
	(void)close(l);
}

/* overlayfs copies a layer's own mount and shows what any mount below it covers. So a layer is a recursive clone, which the kernel
 * makes at once, and is attached where check_mounts sees what came along: on l/s of the cell, each on the one before (R43, R48). */
void attach_layers(const int *layers, const char *const *paths, size_t n, int cell)
{
	int at = open_path(cell, "l/s", O_DIRECTORY, true);

	if (at < 0)
		die("cell", "l/s", errno, NULL);
	for (size_t i = 0; i < n; i++) {
		attach(layers[i], at, "", paths[i]);
		ours[n_ours - 1].layer = true;
		at = layers[i];
	}
}

/* They have been looked at; an overlay has copies of its own. */
void detach_layers(void)
{
	if (umount2("/l", MNT_DETACH) < 0)
		die("umount", "layers", errno, NULL);
}

/* overlayfs knows nothing of these flags of its layers' mounts: the overlay is as strict as the strictest of them (R54). */
uint64_t layer_flags(const int *layers, size_t n)
{
	uint64_t flags = 0;
	struct statfs fs;

	for (size_t i = 0; i < n; i++) {
		if (fstatfs(layers[i], &fs) < 0)
			die("layer", NULL, errno, NULL);
		flags |= (fs.f_flags & K_ST_NOEXEC ? K_NOEXEC : 0U) | (fs.f_flags & K_ST_NOSYMFOLLOW ? K_NOSYMFOLLOW : 0U);
	}
	return flags;
}

/* In a user namespace the kernel refuses a layer with a mount below it in a word (EINVAL): then the table says more. */
static _Noreturn void no_overlay(int err, const char *kernel_says)
{
	const char *const known = err == ENODEV ? "this kernel has no overlay module" :
		err == ELOOP ? "a layer is given twice, or lies inside another" : NULL;

	const int proc = err == EINVAL ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (proc >= 0)
		check_mounts(proc, true);
	die("mount", "overlay", err, known ? known : kernel_says);
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
		no_overlay(errno, NULL);
	const int above = open_path(cell, "r", O_DIRECTORY, true);
	if (above < 0)
		die("overlay", "r", errno, NULL);
	const int tree = clone_tree(above, "overlay");
	(void)snprintf(top, sizeof top, "%d", above);
	if (umount2(top, MNT_DETACH) < 0 || chdir("/") < 0 || close(above) < 0 || close(r) < 0)
		die("overlay", "umount", errno, NULL);
	return tree;
}

/* Two layers or more as one read-only tree, top first. No userxattr, nothing redirected and no metacopy: then the only attributes
 * with a meaning are trusted.overlay.*, which the owner of a layer cannot set (but who serves it by FUSE can: check_mounts). */
int overlay(const int *layers, size_t n, int cell)
{
	bool strings = false;
	char text[256];

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
		no_overlay(err, *text ? text : NULL);
	}
	(void)close(fs);
	return m;
}
