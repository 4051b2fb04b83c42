/* tree.h - mounts as descriptors, and the list of those that we attached. */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { K_RDONLY = 0x01, K_NOSUID = 0x02, K_NODEV = 0x04, K_NOEXEC = 0x08, K_NOSYMFOLLOW = 0x200000 }; /* MOUNT_ATTR_* */
enum { K_SET_STRING = 1, K_SET_FD = 5, K_CREATE = 6 }; /* FSCONFIG_* */
enum { MAX_OURS = 1024 };

struct our_mount {
	uint64_t id;
	const char *name;
	bool layer;
};

/* Every mount that we attached: 256 items and 500 layers are the most, and some twenty of our own. */
extern struct our_mount ours[MAX_OURS];
extern size_t n_ours;

void restrict_tree(int fd, uint64_t set, bool recursive, const char *name);
int clone_tree(int fd, const char *name);
void attach(int tree, int dir, const char *path, const char *name);
int set_option(int fs, const char *key, const char *value);
int new_fs(const char *type, const char *const *options, uint64_t attrs, const char *hint);
int open_source(const char *path, bool *is_dir);
int open_layer(const char *path, bool userns);

#endif
