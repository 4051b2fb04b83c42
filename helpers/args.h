/* args.h - the command line of xsrc-mount, read. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { MAX_ITEMS = 256, MAX_LAYERS = 500 };

struct item {
	char kind;              /* r, w, o as on the command line */
	bool is_dir;
	const char *src, *dst;
	size_t first, count;    /* of an overlay: its layers */
	int fd;
};

struct command_line {
	bool userns, caps, writable, need_lo;
	int report;             /* descriptor that refusals are written to; 0: stderr */
	pid_t parent;           /* who started us; 0: whoever it is */
	char size[16];          /* of /tmp and /dev/shm, as tmpfs wants it */
	char inodes[16];
	const char *root;
	struct item items[MAX_ITEMS], *root_overlay;
	const char *layer_paths[MAX_LAYERS];
	int layers[MAX_LAYERS];
	size_t n_items, n_layers;
};

extern struct command_line opt;

void parse(char **argv);

#endif
