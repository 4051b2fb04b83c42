/*
 * table.c - what came along: the mounts in the finished cell that we did not attach, found by the numbers of their parents.
 * A path is never compared: who renames a directory changes paths, and no mount's parent.
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
#include <unistd.h>

#include "priv.h"
#include "table.h"
#include "tree.h"

struct mount {
	uint64_t id, parent;
	const char *where, *type, *options; /* as mountinfo writes them, zero-terminated */
};

static struct {
	char text[1 << 20];
	struct mount at[8192];
	size_t n;
} table;

/* Cuts the field that starts here and returns where the next one starts. */
static char *cut_field(char *at)
{
	char *const end = at + strcspn(at, " ");

	if (*end != ' ')
		die("mount table: unknown form", NULL, 0, NULL);
	*end = '\0';
	return end + 1;
}

/* "36 35 98:0 /root /where rw,noatime master:1 - ext4 /dev/root rw"; spaces inside a field are written as \040 (proc(5)). */
static void parse_mount(char *line)
{
	struct mount *const m = &table.at[table.n];
	char *at = line, *type = strstr(line, " - ");

	if (table.n == sizeof table.at / sizeof *table.at)
		die("mount table: too many mounts", NULL, 0, NULL);
	if (!type)
		die("mount table: unknown form", NULL, 0, NULL);
	m->id = strtoull(at, &at, 10);
	m->parent = strtoull(at, &at, 10);
	for (int i = 0; i < 3; i++)
		at = cut_field(at); /* what is left of the parent, the device, the root */
	m->where = at;
	(void)cut_field(at);
	m->type = type + 3;
	m->options = cut_field(cut_field(type + 3));
	table.n++;
}

static void read_mounts(int proc)
{
	ssize_t n = 1;
	size_t len = 0;
	const int fd = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && n > 0 && len < sizeof table.text - 1) {
		n = read(fd, table.text + len, sizeof table.text - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		die("mount table", "self/mountinfo", errno, NULL);
	if (n > 0)
		die("mount table: too many mounts", NULL, 0, NULL);
	(void)close(fd);
	table.text[len] = '\0';
	for (char *line = table.text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			die("mount table: no end of line", NULL, 0, NULL);
		*end = '\0';
		parse_mount(line);
	}
}

static const struct mount *find_mount(uint64_t id)
{
	for (size_t i = 0; i < table.n; i++)
		if (table.at[i].id == id)
			return &table.at[i];
	return NULL;
}

/* Which of ours it is; n_ours: none. */
static size_t find_ours(uint64_t id)
{
	size_t i = 0;

	while (i < n_ours && ours[i].id != id)
		i++;
	return i;
}

/* Space, tab, newline, backslash and # are written as \\ooo in mountinfo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (*from == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* A mount that is not ours: is it below one that is, and may it be there? */
static void check_foreign(const struct mount *m)
{
	char where[PATH_MAX], hint[2 * PATH_MAX];
	const struct mount *top = m;
	size_t owner = n_ours;

	/* at most one step for each mount: a table in which parents go in circles ends too */
	for (size_t steps = 0; top && owner == n_ours && steps < table.n; steps++) {
		owner = find_ours(top->parent);
		top = find_mount(top->parent);
	}
	if (!top || owner == n_ours || !(ours[owner].layer || is_kernel_fs(m->type)))
		return;
	const size_t len = strlen(top->where);
	const char *const below = strncmp(m->where, top->where, len) ? m->where : m->where + len;
	(void)snprintf(where, sizeof where, "%s", below); /* a cut hint is still one */
	unescape(where);
	(void)snprintf(hint, sizeof hint, "%s%s is mounted there", below == m->where ? "" : ours[owner].name, where);
	die(ours[owner].layer ? "a mount lies below this layer" : "a kernel file system is mounted below", ours[owner].name, 0, hint);
}

/* Who serves a layer by FUSE answers for its trusted.overlay.* too, which an overlay of CAP_SYS_ADMIN believes. Nothing that leads
 * out of a layer is followed today; still only root's servers are believed (user_id=0). In a user namespace none is asked (R47). */
static void check_fuse(const struct mount *m)
{
	if ((!strcmp(m->type, "fuse") || !strncmp(m->type, "fuse.", 5) || !strcmp(m->type, "fuseblk")) &&
	    !strstr(m->options, ",user_id=0,"))
		die("layer: a FUSE file system of a user's", ours[find_ours(m->id)].name, 0,
			"use a user namespace: XSRC_ISOLATION=userns, or -u");
}

/* Once, when the host's tree is gone and nothing has run: the table holds the cell and nothing else (R13, R43, R47, R48). */
void check_mounts(int proc, bool userns)
{
	size_t seen = 0;

	read_mounts(proc);
	for (size_t i = 0; i < table.n; i++) {
		const size_t mine = find_ours(table.at[i].id);
		seen += mine < n_ours;
		if (mine == n_ours)
			check_foreign(&table.at[i]);
		else if (ours[mine].layer && !userns)
			check_fuse(&table.at[i]);
	}
	if (seen != n_ours)
		die("mount table: a mount is missing", NULL, 0, NULL);
}
