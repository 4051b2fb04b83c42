/*
 * filter.c - the seccomp filter of a build: what no namespace covers is shut, and so are calls that only offer more of the kernel
 * to whoever looks for its bugs. With fake_root the calls that need root succeed without doing anything; with no_setid no file
 * becomes set-id. It must know the compat ABI too: int $0x80 walks past a filter that looks at native numbers only. All
 * addresses are those of struct seccomp_data: nr, arch, ip, args[6]. The reasons for each row: README.md.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "filter.h"
#include "priv.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the low half of an argument is expected first"
#endif

enum { F_LOAD = 0x20, F_AND = 0x54, F_JEQ = 0x15, F_JGE = 0x35, F_JSET = 0x45, F_JUMP = 0x05, F_RET = 0x06 };
enum { AT_NR = 0, AT_ARCH = 4, AT_ARG0 = 16, MAX_INSNS = 512 };
enum { K_TIOCSTI = 0x5412, K_TIOCLINUX = 0x541c, K_SECCOMP_FILTER = 2, K_RLIMIT_CORE = 4, K_OPENAT2 = 437 };
enum { SETID_BITS = 06000, MAKES_A_FILE = 0100 | 020000000 }; /* O_CREAT, and what O_TMPFILE adds to O_DIRECTORY */

static const uint32_t ALLOW = 0x7fff0000;
static const uint32_t ERRNO = 0x00050000; /* | error; 0 makes the call return success */

/* AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the families that a network namespace keeps apart (AF_VSOCK it does not). */
static const uint32_t families[] = { 1, 2, 10, 16 };

struct insn {
	uint16_t code;
	uint8_t yes, no;
	uint32_t k;
};

struct program {
	unsigned short len;
	struct insn *insn;
};

struct mode_call {
	uint16_t nr;
	uint8_t mode, flags; /* which argument is the mode of a file; which says by O_CREAT that it is one; 0: it always is */
};

struct abi {
	uint32_t arch;       /* AUDIT_ARCH_* */
	uint32_t other;      /* bit that marks another ABI under the same arch: x32 */
	uint16_t absent[16]; /* answered as by a kernel without them; ascending, ended by 0 */
	uint16_t socket, socketpair, ioctl, setrlimit, prlimit, mknod, mknodat;
	struct mode_call modes[10]; /* ended by 0 */
	uint16_t fake[32];   /* chown and setuid families, ended by 0 */
};

#define UID16_32 16, 95, 182, 198, 207, 212, /* lchown fchown chown, then their 32 bit forms */ \
	23, 46, 70, 71, 81, 138, 139, 164, 170, /* setuid setgid setreuid setregid setgroups setfs{u,g}id setres{u,g}id */ \
	203, 204, 206, 208, 210, 213, 214, 215, 216 /* setreuid32 setregid32 setgroups32 setres{u,g}id32 set{u,g}id32 setfs* */
#define IO_URING 425, 426, 427 /* setup, enter, register */

/* absent: syslog, add_key request_key keyctl, perf_event_open, fanotify_init, bpf, userfaultfd (the four in the order of the ABI),
 * io_uring, memfd_secret; on i386 socketcall too. modes: chmod fchmod fchmodat fchmodat2 creat mknod mknodat open openat. */
static const struct abi abis[] = {
#if defined(__x86_64__) && !defined(__ILP32__)
	{ 0xc000003e, 0x40000000, { 103, 248, 249, 250, 298, 300, 321, 323, IO_URING, 447 }, 41, 53, 16, 160, 302, 133, 259,
	  { { 90, 1, 0 }, { 91, 1, 0 }, { 268, 2, 0 }, { 452, 2, 0 }, { 85, 1, 0 }, { 133, 1, 0 }, { 259, 2, 0 }, { 2, 2, 1 }, { 257, 3, 2 } },
	  { 92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123 } },
	/* i386. socketcall hides the family behind a pointer, which no filter can follow; socket itself is there since Linux 4.3 */
	{ 0x40000003, 0, { 102, 103, 286, 287, 288, 336, 338, 357, 374, IO_URING, 447 }, 359, 360, 54, 75, 340, 14, 297,
	  { { 15, 1, 0 }, { 94, 1, 0 }, { 306, 2, 0 }, { 452, 2, 0 }, { 8, 1, 0 }, { 14, 1, 0 }, { 297, 2, 0 }, { 5, 2, 1 }, { 295, 3, 2 } },
	  { UID16_32, 298 } },
#elif defined(__aarch64__)
	{ 0xc00000b7, 0, { 116, 217, 218, 219, 241, 262, 280, 282, IO_URING, 447 }, 198, 199, 29, 164, 261, 0, 33,
	  { { 52, 1, 0 }, { 53, 2, 0 }, { 452, 2, 0 }, { 33, 2, 0 }, { 56, 3, 2 } },
	  { 54, 55, 143, 144, 145, 146, 147, 149, 151, 152, 159 } },
	/* arm EABI, which has no socketcall */
	{ 0x40000028, 0, { 103, 309, 310, 311, 364, 367, 386, 388, IO_URING }, 281, 288, 54, 75, 369, 14, 324,
	  { { 15, 1, 0 }, { 94, 1, 0 }, { 333, 2, 0 }, { 452, 2, 0 }, { 8, 1, 0 }, { 14, 1, 0 }, { 324, 2, 0 }, { 5, 2, 1 }, { 322, 3, 2 } },
	  { UID16_32, 325 } },
#else
#error "no system call table for this architecture"
#endif
};

static void put(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->len >= MAX_INSNS)
		die("filter too long", NULL, 0, NULL);
	p->insn[p->len++] = (struct insn){ code, yes, no, k };
}

static void load_arg(struct program *p, uint32_t number)
{
	put(p, F_LOAD, 0, 0, AT_ARG0 + 8 * number); /* the low half: what the kernel takes of an int */
}

static void answer(struct program *p, uint32_t nr, uint32_t action)
{
	put(p, F_JEQ, 0, 1, nr);
	put(p, F_RET, 0, 0, action);
}

/* In ascending order, and left early: the kernel tries each of its system calls on a new filter, which is most of what one costs. */
static void refuse_absent(struct program *p, const uint16_t *nrs)
{
	unsigned short exits[8], n = 0;

	for (size_t i = 0; nrs[i]; i++) {
		if ((i == 0 || nrs[i] - nrs[i - 1] > 20) && n < sizeof exits / sizeof *exits) {
			exits[n++] = p->len;
			put(p, F_JGE, 0, 0, nrs[i]);
		}
		answer(p, nrs[i], ERRNO | ENOSYS);
	}
	while (n-- > 0)
		p->insn[exits[n]].no = (uint8_t)(p->len - exits[n] - 1); /* at most 2 for each of 16 numbers, and 8 */
}

static void refuse_families(struct program *p, uint32_t nr)
{
	enum { N = sizeof families / sizeof *families };

	put(p, F_JEQ, 0, N + 3, nr);
	load_arg(p, 0);
	for (unsigned i = 0; i < N; i++)
		put(p, F_JEQ, (uint8_t)(N - i), 0, families[i]);
	put(p, F_RET, 0, 0, ERRNO | EAFNOSUPPORT);
	put(p, F_RET, 0, 0, ALLOW);
}

/* The command starts with a limit of 1, with which the kernel writes no core and tells no handler of the host's (core(5)); 0 would
 * tell it. To set it again does nothing, and is no error: "ulimit -c 0" wants no core either. */
static void keep_core_limit(struct program *p, const struct abi *a)
{
	put(p, F_JEQ, 0, 4, a->setrlimit);
	load_arg(p, 0);
	put(p, F_JEQ, 0, 1, K_RLIMIT_CORE);
	put(p, F_RET, 0, 0, ERRNO);
	put(p, F_RET, 0, 0, ALLOW);
	put(p, F_JEQ, 0, 11, a->prlimit); /* (pid, resource, new, old) */
	load_arg(p, 1);
	put(p, F_JEQ, 0, 8, K_RLIMIT_CORE);
	load_arg(p, 2);
	put(p, F_JEQ, 0, 2, 0);
	put(p, F_LOAD, 0, 0, AT_ARG0 + 8 * 2 + 4);
	put(p, F_JEQ, 4, 0, 0); /* nothing is set */
	load_arg(p, 3);
	put(p, F_JEQ, 1, 0, 0);
	put(p, F_RET, 0, 0, ERRNO | EPERM); /* the old one is wanted too: a success would leave it unwritten */
	put(p, F_RET, 0, 0, ERRNO);
	put(p, F_RET, 0, 0, ALLOW);
}

static void refuse_setid(struct program *p, const struct mode_call *c)
{
	put(p, F_JEQ, 0, (uint8_t)(c->flags ? 6 : 4), c->nr);
	if (c->flags) {
		load_arg(p, c->flags);
		put(p, F_JSET, 0, 3, MAKES_A_FILE); /* else the mode is whatever was in the register */
	}
	load_arg(p, c->mode);
	put(p, F_JSET, 0, 1, SETID_BITS);
	put(p, F_RET, 0, 0, ERRNO | EPERM);
	put(p, F_LOAD, 0, 0, AT_NR); /* other rows may have something to say of it */
}

/* mknod(2) of a FIFO or a file needs no root and must work. For a device the call returns success and makes nothing. */
static void fake_device(struct program *p, uint32_t nr, uint32_t mode_arg)
{
	put(p, F_JEQ, 0, 6, nr);
	load_arg(p, mode_arg);
	put(p, F_AND, 0, 0, S_IFMT);
	put(p, F_JEQ, 1, 0, S_IFCHR);
	put(p, F_JEQ, 0, 1, S_IFBLK);
	put(p, F_RET, 0, 0, ERRNO);
	put(p, F_RET, 0, 0, ALLOW);
}

static void one_abi(struct program *p, const struct abi *a, bool fake_root, bool no_setid)
{
	put(p, F_JEQ, 1, 0, a->arch);
	const unsigned short skip = p->len;
	put(p, F_JUMP, 0, 0, 0);
	put(p, F_LOAD, 0, 0, AT_NR);
	if (a->other) {
		put(p, F_JSET, 0, 1, a->other);
		put(p, F_RET, 0, 0, ERRNO | ENOSYS);
	}
	refuse_absent(p, a->absent);
	if (no_setid) {
		answer(p, K_OPENAT2, ERRNO | ENOSYS); /* its mode is behind a pointer */
		for (size_t i = 0; a->modes[i].nr; i++)
			refuse_setid(p, &a->modes[i]);
	}
	if (fake_root) {
		for (size_t i = 0; a->fake[i]; i++)
			answer(p, a->fake[i], ERRNO);
		if (a->mknod)
			fake_device(p, a->mknod, 1);
		fake_device(p, a->mknodat, 2);
	}
	refuse_families(p, a->socket);
	refuse_families(p, a->socketpair);
	keep_core_limit(p, a);
	/* The kernel takes the ioctl number as unsigned int: a filter that compares 64 bits is walked past with bit 32. */
	put(p, F_JEQ, 0, 5, a->ioctl);
	load_arg(p, 1);
	put(p, F_JEQ, 1, 0, K_TIOCSTI);
	put(p, F_JEQ, 0, 1, K_TIOCLINUX);
	put(p, F_RET, 0, 0, ERRNO | EPERM);
	put(p, F_RET, 0, 0, ALLOW);
	put(p, F_RET, 0, 0, ALLOW);
	p->insn[skip].k = (uint32_t)(p->len - skip - 1);
}

void install_filter(bool fake_root, bool no_setid)
{
	struct insn insn[MAX_INSNS];
	struct program p = { 0, insn };

	put(&p, F_LOAD, 0, 0, AT_ARCH);
	for (size_t i = 0; i < sizeof abis / sizeof *abis; i++)
		one_abi(&p, &abis[i], fake_root, no_setid);
	put(&p, F_RET, 0, 0, ERRNO | ENOSYS);
	if (prctl(PR_SET_SECCOMP, (unsigned long)K_SECCOMP_FILTER, &p, 0L, 0L) < 0)
		die("seccomp", NULL, errno, NULL);
}
