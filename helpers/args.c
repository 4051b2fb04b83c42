/*
 * args.c - the command line of xsrc-mount: refuses anything it does not know before anything privileged happens (R3).
 * No getopt, no abbreviations, fixed arrays.
 */
#define _GNU_SOURCE

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "priv.h"

struct command_line opt = { .size = "1024m", .inodes = "262144" };

static char root_in_cell[] = "/r";

/* Written again by us: no text of the caller reaches a mount option (R20). An empty file costs no page of a tmpfs but some 1.3 KiB
 * of the kernel's memory: one inode for each page of the size lets every page hold a file, and bounds that memory too (R49). */
static void set_size(unsigned long mib)
{
	(void)snprintf(opt.size, sizeof opt.size, "%lum", mib); /* 7 digits fit, and 10 */
	(void)snprintf(opt.inodes, sizeof opt.inodes, "%lu", mib * 256);
}

static char **parse_overlay(struct item *it, char **arg)
{
	it->dst = path_arg("-o DST", *arg, false);
	it->first = opt.n_layers;
	for (arg++; *arg && strcmp(*arg, "-"); arg++) {
		if (opt.n_layers == MAX_LAYERS)
			die("too many layers", *arg, 0, NULL);
		opt.layer_paths[opt.n_layers++] = path_arg("-o LAYER", *arg, true);
	}
	it->count = opt.n_layers - it->first;
	if (!*arg || it->count == 0)
		die("bad option: -o wants DST LAYER... -", it->dst, 0, NULL);
	if (!strcmp(it->dst, ".")) {
		if (opt.root_overlay)
			die("bad option: two overlays for the root", NULL, 0, NULL);
		opt.root_overlay = it;
	}
	return arg;
}

static char **parse_item(char **arg)
{
	struct item *const it = &opt.items[opt.n_items];

	if (opt.n_items++ == MAX_ITEMS)
		die("too many binds", *arg, 0, NULL);
	*it = (struct item){ .kind = (*arg)[1], .fd = -1 };
	if (it->kind == 'o')
		return parse_overlay(it, arg + 1);
	it->src = path_arg("SRC", arg[1], true);
	it->dst = path_arg("DST", arg[2], false);
	return arg + 2;
}

/* What xsrc-chroot is to see (-0, -S, -E, -e, -d, --, ROOT CMD) is moved to the front of argv as it is met: it becomes its argv. */
void parse(char **argv)
{
	char **in = argv + 1, **out = argv + 1;

	for (; *in && strcmp(*in, "--"); in++) {
		const char *const a = *in;
		if (!strcmp(a, "-u")) {
			opt.userns = true;
		} else if (!strcmp(a, "-c")) {
			opt.caps = true;
		} else if (!strcmp(a, "-W")) {
			opt.writable = true;
		} else if (!strcmp(a, "-l")) {
			opt.need_lo = true;
		} else if (!strcmp(a, "-0") || !strcmp(a, "-S")) {
			*out++ = *in;
		} else if (!strcmp(a, "-E")) {
			*out++ = *in++;
			opt.report = (int)number_arg(*in, BAD_REPORT);
			*out++ = *in;
		} else if (!strcmp(a, "-T")) {
			set_size(number_arg(*++in, "bad option: -T wants MiB"));
		} else if (!strcmp(a, "-P")) { /* a pid is at most 2^22 (proc_sys_kernel(5), pid_max) */
			opt.parent = (pid_t)number_arg(*++in, "bad option: -P wants the number of a process");
		} else if (!strcmp(a, "-r") || !strcmp(a, "-w") || !strcmp(a, "-o")) {
			in = parse_item(in);
		} else if (!strcmp(a, "-e") || !strcmp(a, "-d")) {
			*out++ = *in++;
			*out++ = a[1] == 'e' ? env_arg(*in) : (path_arg("-d DIR", *in, true), *in);
		} else {
			die("bad option", a, 0, NULL);
		}
		if (!*in)
			die("missing argument", a, 0, NULL);
	}
	if (!*in)
		die("missing arguments", "-- ROOT CMD", 0, NULL);
	if (opt.userns && opt.caps)
		die("bad option: -u and -c", NULL, 0, NULL);
	if (opt.writable && opt.root_overlay)
		die("bad option: an overlay root cannot be writable", NULL, 0, NULL);
	opt.root = path_arg("ROOT", in[1], true);
	(void)path_arg("CMD", in[2], true);
	*out++ = *in;
	*out++ = root_in_cell;
	for (in += 2; *in; in++)
		*out++ = *in;
	*out = NULL;
}
