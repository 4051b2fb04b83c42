/*
 * priv.h - what both helpers share: refusals, identity, capabilities, descriptors, paths.
 * The kernel's numbers are written out, under our own names, because musl-gcc comes without linux/ headers.
 */
#ifndef PRIV_H
#define PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Numbers from 424 on are the same on every architecture (scripts/syscall.tbl). */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

enum { K_CAP_SETPCAP = 8, K_CAP_NET_ADMIN = 12, K_CAP_SYS_CHROOT = 18, K_CAP_SYS_ADMIN = 21 };
enum { EXIT_REFUSED = 125, EXIT_NOEXEC = 126, EXIT_NOTFOUND = 127, EXIT_SIGNAL = 128 };

#define CAP_BIT(c) (UINT64_C(1) << (c))
#define LINK_HINT "symbolic links are not followed"
#define BAD_REPORT "bad option: -E wants the write end of a pipe"

extern const char self[]; /* the program's name, with which each refusal starts: each program says its own */
extern int refusals;      /* where die writes: stderr, or the pipe that -E names */

_Noreturn void die(const char *what, const char *arg, int err, const char *hint);
_Noreturn void die_path(const char *what, const char *path, int err);

const char *path_arg(const char *what, const char *path, bool absolute);
char *env_arg(char *text);
unsigned long number_arg(const char *text, const char *complaint);

void check_identity(int argc);
void check_standard_fds(void);
void report_to(int fd, bool close_on_exec);
void stop_reporting(void);
void close_from(unsigned first);

uint64_t caps_permitted(void);
void caps_set(uint64_t caps, bool inheritable);
void no_new_privs(void);

int open_path(int dir, const char *path, int flags, bool beneath);
void refuse_kernel_fs(int fd, const char *what, const char *path);
bool is_kernel_fs(const char *type);
bool is_slash(const struct stat *st);
int open_root(const char *path);

#endif
